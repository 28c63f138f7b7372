"""All whole inputs of a box, where they are few."""

from collections.abc import Iterator
from itertools import chain, combinations, islice, product
from math import comb, prod

import numpy as np
from scipy.sparse import csc_array, csr_array

from brnn.proof.ball import OUTWARD, Ball
from brnn.proof.box import Reach
from brnn.proof.integer_net import Hidden, IntegerNet, Layer
from brnn.proof.vnnlib import Property

WORK = 2e10  # multiplications that trying all inputs may take
MOST_INPUTS = 2**20
MOST_AT_FIRST = 2**12  # of a ball, or where rounding may decide: beyond it programs are faster
AT_ONCE = 2_000_000  # multiplications of a batch


def candidates(
    net: IntegerNet,
    reaches: list[Reach],
    given: Property,
    low: np.ndarray,
    high: np.ndarray,
    at_first: bool,
) -> Iterator[np.ndarray] | None:
    """Return batches of the inputs that may be counterexamples in float32; None if too many.

    Args:
        net: the net.
        reaches: its bounds.
        given: the property.
        low: (k,) lower bounds of whole inputs.
        high: (k,) upper bounds.
        at_first: whether programs have not been solved yet.
    """
    rounded = _is_rounded(net, reaches)
    most = MOST_AT_FIRST if at_first and (rounded or given.ball) else MOST_INPUTS
    batches = inputs(net, reaches, low, high, given.ball, most)
    if batches is None:
        return None

    def of_batch(batch: np.ndarray) -> np.ndarray:
        possible = given.holds(net.logits(batch), net.last.error)
        return batch[possible | net.is_rounded(batch) if rounded else possible]

    return map(of_batch, batches)


def inputs(
    net: IntegerNet,
    reaches: list[Reach],
    low: np.ndarray,
    high: np.ndarray,
    ball: Ball | None,
    most: int,
) -> Iterator[np.ndarray] | None:
    """Return batches (b, k) of all whole inputs between `low` and `high`, each (k,), and of a ball.

    Where each sum of the first layer has a single pixel, no other layer reads pixels and rounding
    in float32 decides no step, values of a pixel between the same two thresholds are equivalent,
    and the batches of a box have one of them.

    Returns:
        The batches; None if there are more than `most`, or they take too long.
    """
    if (high - low).max(initial=0) >= most:
        return None
    pixels = np.flatnonzero(high > low)
    values = [np.arange(low[pixel], high[pixel] + 1) for pixel in pixels]
    first = net.hidden[0]
    if isinstance(first, Hidden) and _only_first_reads_pixels(net) and ball is None:
        values = values if _is_rounded(net, reaches) else _distinct(first, pixels, values)
    size = sum(layer.weights.nnz for layer in net.hidden) + net.last.weights.nnz
    sizes, rows = [len(of_pixel) for of_pixel in values], 1 + int(AT_ONCE / (size + net.inputs))
    if ball is None or ball.norm != "l0":
        if prod(sizes) > most or prod(sizes) * size > WORK:
            return None
        start = low if ball is None else ball.center
        return _within(ball, _batches(start, pixels, values, rows))
    changed = min(int(ball.radius * (1 + OUTWARD)), len(pixels))
    count = comb(len(pixels), changed) * max(sizes, default=1) ** changed
    if count > most or count * size > WORK:
        return None
    subsets = combinations(range(len(pixels)), changed)
    return chain.from_iterable(
        _batches(ball.center, pixels[[*subset]], [values[i] for i in subset], rows)
        for subset in subsets
    )


def _is_rounded(net: IntegerNet, reaches: list[Reach]) -> bool:
    """Return whether sums are real, or rounding decides a step."""
    return any(map(_layer_is_rounded, net.hidden, reaches))


def _layer_is_rounded(layer: Layer, reach: Reach) -> bool:
    if not isinstance(layer, Hidden):
        return not layer.whole
    rounded = (layer.rise <= layer.fall).any(axis=1) & ~reach.up & ~reach.down
    return not layer.whole or bool(rounded.any())


def _only_first_reads_pixels(net: IntegerNet) -> bool:
    """Return whether no layer but the first has weights of pixels."""
    others = (*net.hidden[1:], net.last)
    return not any(layer.weights[:, : net.inputs].nnz for layer in others)


def _within(ball: Ball | None, batches: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield those inputs of batches that lie in a ball."""
    for batch in batches:
        yield batch if ball is None else batch[ball.contains(batch)]


def _batches(
    start: np.ndarray, pixels: np.ndarray, values: list[np.ndarray], rows: int
) -> Iterator[np.ndarray]:
    choices = product(*values)
    while chosen := list(islice(choices, rows)):
        batch = np.repeat(start[None], len(chosen), axis=0)
        batch[:, pixels] = chosen
        yield batch


def _distinct(first: Hidden, pixels: np.ndarray, values: list[np.ndarray]) -> list[np.ndarray]:
    """Return those of the values of each pixel that differ to the first layer."""
    is_single = np.diff(first.weights.indptr).max(initial=0) <= 1 and first.windows.shape[1] == 1
    if not is_single:
        return values
    weights = csc_array(csr_array(first.weights[first.windows[:, 0]]))  # a row for each unit
    kept = []
    for pixel, levels in zip(pixels, values, strict=True):
        column = slice(*weights.indptr[pixel : pixel + 2])
        at = first.at[weights.indices[column], 0]
        sums = levels[:, None, None] * weights.data[column][:, None]
        steps = (sums >= at).reshape(len(levels), -1)
        _, representatives = np.unique(steps, axis=0, return_index=True)
        kept.append(levels[representatives])
    return kept
