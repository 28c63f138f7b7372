"""All whole inputs of a box, where they are few."""

from collections.abc import Iterator
from itertools import islice, product
from math import prod

import numpy as np
from scipy.sparse import csc_array, csr_array

from brnn.proof.box import Reach
from brnn.proof.integer_net import Hidden, IntegerNet, Layer

WORK = 2e10  # multiplications that trying all inputs may take
BATCH = 256


def inputs(
    net: IntegerNet, reaches: list[Reach], low: np.ndarray, high: np.ndarray
) -> Iterator[np.ndarray] | None:
    """Return batches (b, k) of whole inputs between `low` and `high`, each (k,).

    Where each sum of the first layer has a single pixel, and no other layer reads pixels, values of
    a pixel between the same two thresholds are equivalent, and the batches have one of them.

    Returns:
        The batches; None if they are too many, or if rounding in float32 decides a step.
    """
    if any(map(_is_rounded, net.hidden, reaches)):
        return None
    pixels = np.flatnonzero(high > low)
    values = [np.arange(low[pixel], high[pixel] + 1) for pixel in pixels]
    first = net.hidden[0]
    if isinstance(first, Hidden) and _only_first_reads_pixels(net):
        values = _distinct(first, pixels, values)
    size = sum(layer.weights.nnz for layer in net.hidden) + net.last.weights.nnz
    if prod(map(len, values)) * size > WORK:
        return None
    return _batches(low, pixels, values)


def _is_rounded(layer: Layer, reach: Reach) -> bool:
    """Return whether sums are real, or rounding decides a step."""
    if not isinstance(layer, Hidden):
        return not layer.whole
    rounded = (layer.rise <= layer.fall).any(axis=1) & ~reach.up & ~reach.down
    return not layer.whole or bool(rounded.any())


def _only_first_reads_pixels(net: IntegerNet) -> bool:
    """Return whether no layer but the first has weights of pixels."""
    others = (*net.hidden[1:], net.last)
    return not any(layer.weights[:, : net.inputs].nnz for layer in others)


def _batches(low: np.ndarray, pixels: np.ndarray, values: list[np.ndarray]) -> Iterator[np.ndarray]:
    combinations = product(*values)
    while chosen := list(islice(combinations, BATCH)):
        batch = np.repeat(low[None], len(chosen), axis=0)
        batch[:, pixels] = chosen
        yield batch


def _distinct(first: Hidden, pixels: np.ndarray, values: list[np.ndarray]) -> list[np.ndarray]:
    """Return those of the values of each pixel that differ to the first layer."""
    is_single = np.diff(first.weights.indptr).max(initial=0) <= 1 and first.windows.shape[1] == 1
    if not is_single:
        return values
    weights = csc_array(csr_array(first.weights[first.windows[:, 0]]))  # a row for each unit
    kept = []
    for pixel, candidates in zip(pixels, values, strict=True):
        column = slice(*weights.indptr[pixel : pixel + 2])
        at = first.at[weights.indices[column], 0]
        sums = candidates[:, None, None] * weights.data[column][:, None]
        steps = (sums >= at).reshape(len(candidates), -1)
        _, representatives = np.unique(steps, axis=0, return_index=True)
        kept.append(candidates[representatives])
    return kept
