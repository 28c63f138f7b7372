"""All whole inputs of a box, where they are few."""

from collections.abc import Iterator
from itertools import islice, product
from math import prod

import numpy as np
from scipy.sparse import csc_array

from brnn.proof.box import Reach
from brnn.proof.integer_net import Hidden, IntegerNet

WORK = 2e10  # multiplications that trying all inputs may take
BATCH = 256


def inputs(
    net: IntegerNet, reaches: list[Reach], low: np.ndarray, high: np.ndarray
) -> Iterator[np.ndarray] | None:
    """Return batches (b, k) of whole inputs between `low` and `high`, each (k,).

    Where each sum of the first layer has a single pixel, values of a pixel between the same two
    thresholds are equivalent, and the batches have one of them.

    Returns:
        The batches; None if they are too many, or if rounding in float32 decides a step.
    """
    for layer, reach in zip(net.hidden, reaches, strict=True):
        rounded = (layer.rise <= layer.fall).any(axis=1) & ~reach.up & ~reach.down
        if not layer.whole or rounded.any():
            return None
    pixels = np.flatnonzero(high > low)
    values = _values(net.hidden[0], pixels, low, high)
    size = sum(layer.weights.nnz for layer in net.hidden) + net.last.weights.nnz
    if prod(map(len, values)) * size > WORK:
        return None
    return _batches(low, pixels, values)


def _batches(low: np.ndarray, pixels: np.ndarray, values: list[np.ndarray]) -> Iterator[np.ndarray]:
    combinations = product(*values)
    while chosen := list(islice(combinations, BATCH)):
        batch = np.repeat(low[None], len(chosen), axis=0)
        batch[:, pixels] = chosen
        yield batch


def _values(
    first: Hidden, pixels: np.ndarray, low: np.ndarray, high: np.ndarray
) -> list[np.ndarray]:
    """Return the values of each pixel that differ to the first layer."""
    values = [np.arange(low[pixel], high[pixel] + 1) for pixel in pixels]
    is_single = np.diff(first.weights.indptr).max(initial=0) <= 1 and first.windows.shape[1] == 1
    if not is_single:
        return values
    weights, unit_of = csc_array(first.weights), np.argsort(first.windows[:, 0])
    kept = []
    for pixel, candidates in zip(pixels, values, strict=True):
        column = slice(*weights.indptr[pixel : pixel + 2])
        at = first.at[unit_of[weights.indices[column]], 0]
        sums = candidates[:, None, None] * weights.data[column][:, None]
        steps = (sums >= at).reshape(len(candidates), -1)
        _, representatives = np.unique(steps, axis=0, return_index=True)
        kept.append(candidates[representatives])
    return kept
