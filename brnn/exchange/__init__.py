"""Nets that leave the package as files, and nets that come as files."""
