"""Learning-rate schedules: a factor on the optimizer's learning rate for each step.

Each function has the contract `brnn.contracts.Schedule`: `steps` are whole numbers from 0, counted
over all epochs of a run of `total` steps; the factors have their shape.
"""

import numpy as np

from brnn.config.ranges import Count, NonNegative, Positive, Share


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


def linear(steps: np.ndarray, total: int, *, final: NonNegative) -> np.ndarray:
    """Return a straight line from 1 to `final`."""
    return 1 + (final - 1) * steps / total


def quarter_cosine(steps: np.ndarray, total: int, *, final: NonNegative) -> np.ndarray:
    """Return a quarter of a period of a cosine, from 1 to `final`: slow first, fast at the end.

    References:
        Wu et al. 2023, arXiv:2308.06689, for the power of `reste`.
    """
    return 1 + (final - 1) * (1 - np.cos(np.pi / 2 * steps / total))
