"""Learning-rate schedules: a factor on the optimizer's learning rate for each step.

Each function maps the steps of an epoch (whole numbers from 0, over all epochs) and the total number of
steps of the run to factors of the same shape.
"""

import numpy as np

from brnn.config.ranges import Count, Positive, Share


def constant(steps, total):
    """1 at every step."""
    return np.ones(len(steps))


def exponential(steps, total, *, decay: Positive, every: Count):
    """decay^(step / every), continuously."""
    return decay ** (steps / every)


def cosine(steps, total, *, final: Share):
    """Half a cosine from 1 down to `final`.

    Loshchilov and Hutter 2016, arXiv:1608.03983, without restarts.
    """
    return final + (1 - final) * (1 + np.cos(np.pi * steps / total)) / 2


def geometric(steps, total, *, final: Positive):
    """final^(step / total): from 1 down to `final` at the end of the run."""
    return final ** (steps / total)
