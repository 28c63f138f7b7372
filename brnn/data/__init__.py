"""Data sets: arrays in memory, read from files, other packages or generated."""
