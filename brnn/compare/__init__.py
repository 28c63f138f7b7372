"""Comparisons of runs: groups, their statistics, tables and one page."""
