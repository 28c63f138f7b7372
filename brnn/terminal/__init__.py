"""What a person reads on the terminal; no other room writes to it."""
