"""Computations on many inputs, a batch at a time."""

from collections.abc import Callable

import numpy as np

BATCH = 64  # inputs, whose windows of a convolution fit into the memory


def in_batches(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return what a function gives for all inputs (n, …)."""
    return np.concatenate([function(x[i : i + BATCH]) for i in range(0, len(x), BATCH)])
