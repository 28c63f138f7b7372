"""What attacks achieve on a net, and whether to believe it."""
