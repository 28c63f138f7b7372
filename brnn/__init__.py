"""Experiments on discretized neural networks: configure, train, discretize, attack, track."""
