"""Nets: ordinary Keras models, and the task that they are built for."""
