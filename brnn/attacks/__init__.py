"""Attacks: adversarial inputs for a batch, within a budget."""
