"""What changes from step to step of a training."""

import numpy as np


def constant(rate):
    """A learning rate that stays; nothing else changes."""
    return lambda steps, total: {"train/learning_rate": np.full(len(steps), rate)}
