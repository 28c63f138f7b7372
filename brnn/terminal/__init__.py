"""What a person reads on the terminal; no other package writes to it."""
