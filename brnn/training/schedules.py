"""Learning-rate schedules: a factor on the optimizer's learning rate for each step.

Each function has the contract `brnn.contracts.Schedule`: `steps` are whole numbers from 0, counted
over all epochs of a run of `total` steps; the factors have their shape.
"""

import numpy as np

from brnn.config.ranges import Count, Positive, Share


def constant(steps: np.ndarray, total: int) -> np.ndarray:
    """Return 1 for every step."""
    return np.ones(len(steps))


def exponential(steps: np.ndarray, total: int, *, decay: Positive, every: Count) -> np.ndarray:
    """Return decay^(step / every), continuously."""
    return decay ** (steps / every)


def cosine(steps: np.ndarray, total: int, *, final: Share) -> np.ndarray:
    """Return half a period of a cosine, from 1 down to `final`.

    References:
        Loshchilov and Hutter 2016, arXiv:1608.03983, without restarts.
    """
    return final + (1 - final) * (1 + np.cos(np.pi * steps / total)) / 2


def geometric(steps: np.ndarray, total: int, *, final: Positive) -> np.ndarray:
    """Return final^(step / total): from 1 to `final` at the end of the run."""
    return final ** (steps / total)
