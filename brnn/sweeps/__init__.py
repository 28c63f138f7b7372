"""Sweeps: many runs as the children of one, in processes of this machine or a cluster."""
