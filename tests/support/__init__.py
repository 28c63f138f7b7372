"""Functions that tests of several packages share."""
