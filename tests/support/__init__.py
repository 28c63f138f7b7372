"""Functions that tests of several rooms share."""
