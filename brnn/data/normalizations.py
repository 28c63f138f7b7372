"""Normalizations: the scale and the offset by which a net reads its inputs.

Each function maps the training inputs to pairs (scale, offset): one for all inputs, or one for each
channel, the last axis of (n, height, width, channels). The net reads scale x + offset; attacks and
their budgets keep the pixels x in [0, 1].
"""

import numpy as np

from brnn.errors import DataError

Pairs = tuple[tuple[float, float], ...]

ROWS = 1000  # converted at a time, so that no copy of a data set is made


def none(x: np.ndarray) -> Pairs:
    """Return no pair: inputs are read as they are."""
    return ()


def symmetric(x: np.ndarray) -> Pairs:
    """Return 2x - 1, which maps [0, 1] to [-1, 1]."""
    return ((2.0, -1.0),)


def standard(x: np.ndarray) -> Pairs:
    """Return (x - mean) / deviation, with mean and deviation of each channel of the inputs.

    Raises:
        DataError: a channel is constant.
    """
    unit = 255 if x.dtype == np.uint8 else 1
    axes = tuple(range(3 if x.ndim == 4 else x.ndim))
    total, squares = np.zeros(1), np.zeros(1)
    for first in range(0, len(x), ROWS):
        rows = x[first : first + ROWS].astype("float64") / unit
        total, squares = total + rows.sum(axes), squares + (rows**2).sum(axes)
    mean = total / (x.size / total.size)
    deviation = np.sqrt(np.maximum(squares / (x.size / total.size) - mean**2, 0))
    if not (deviation > 1e-6).all():
        raise DataError("dataset.normalization=standard needs channels that are not constant")
    return tuple((float(1 / d), float(-m / d)) for m, d in zip(mean, deviation, strict=True))
