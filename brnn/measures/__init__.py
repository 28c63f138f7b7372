"""Measures of a discretized net: its weights, its gradients, its cost, its text."""
