"""One run: from a checked configuration to a finished run in the tracking store."""
