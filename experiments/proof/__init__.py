"""How far discretized nets can be proved, and which of them."""
