"""What a sweep says: its groups, their statistics, tables and one page."""
