"""Nets that leave the package: packed files, each with what runs it."""
