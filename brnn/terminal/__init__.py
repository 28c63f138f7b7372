"""What a person reads: lines, progress and tables; the only room that writes to the terminal."""
