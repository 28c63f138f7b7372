"""Interval bounds of a net on a box of inputs, and which steps of its units the box leaves open."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from brnn.proof.ball import Ball
from brnn.proof.integer_net import Carried, Hidden, IntegerNet, Layer, Rectified


@dataclass(frozen=True)
class Reach:
    """What a layer can be on a box.

    Args:
        low: (m,) lower bounds of its sums.
        high: (m,) upper bounds.
        up: (n, j) steps that are up everywhere, whatever float32 makes of the sums.
        down: (n, j) steps that are down everywhere. Carried sums and positive parts have no steps.
    """

    low: np.ndarray
    high: np.ndarray
    up: np.ndarray
    down: np.ndarray


def reaches(
    net: IntegerNet, low: np.ndarray, high: np.ndarray, ball: Ball | None = None
) -> list[Reach]:
    """Return what each layer can be for inputs of a box, and of a ball if it is given.

    Args:
        net: the net.
        low: (k,) lower bounds of the box.
        high: (k,) upper bounds.
        ball: whose center lies in the box.
    """
    result: list[Reach] = []
    for layer in net.hidden:
        least, most = interval(layer.weights, low, high)
        if ball:
            below, above = _on_ball(layer, ball, low, high)
            least, most = np.maximum(least, below), np.minimum(most, above)
        result.append(_reach(layer, least, most))
        values = _values(layer, result[-1])
        low, high = (np.concatenate(pair) for pair in zip((low, high), values, strict=True))
    return result


def _on_ball(
    layer: Layer, ball: Ball, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds (m,) on the sums of a layer, whose pixels are those of a ball."""
    count = len(ball.center)
    below, above = ball.bounds(csr_array(layer.weights[:, :count]), low[:count], high[:count])
    if layer.whole:
        below, above = np.ceil(below), np.floor(above)
    least, most = interval(csr_array(layer.weights[:, count:]), low[count:], high[count:])
    return below + least, above + most


def open_units(net: IntegerNet, low: np.ndarray, high: np.ndarray, ball: Ball | None = None) -> int:
    """Return how many hidden units the bounds of `reaches` leave more than one value."""
    pairs = zip(net.hidden, reaches(net, low, high, ball), strict=True)
    return sum(int(open_steps(layer, reach).any(axis=1).sum()) for layer, reach in pairs)


def open_steps(layer: Layer, reach: Reach) -> np.ndarray:
    """Return which steps (n, j) of a layer are neither up nor down, and change their unit."""
    if not isinstance(layer, Hidden):
        return reach.up
    return ~reach.up & ~reach.down & (np.diff(layer.values, axis=1) != 0)


def interval(
    weights: csr_array, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds (m,) on weights @ x for x between `low` and `high`, each (k,)."""
    positive, negative = weights.maximum(0), weights.minimum(0)
    return positive @ low + negative @ high, positive @ high + negative @ low


def _reach(layer: Layer, least: np.ndarray, most: np.ndarray) -> Reach:
    if not isinstance(layer, Hidden):
        return Reach(least, most, *np.zeros((2, len(least), 0), bool))
    lowest, highest = (bound[layer.windows][..., None] for bound in (least, most))
    up = ((lowest > layer.fall) & (lowest >= layer.rise)).any(axis=1)
    down = ((highest < layer.rise) & (highest <= layer.fall)).all(axis=1)
    return Reach(least, most, up, down)


def _values(layer: Layer, reach: Reach) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds (n,) on the values of a layer."""
    if isinstance(layer, Carried):
        return reach.low, reach.high
    if isinstance(layer, Rectified):
        return np.maximum(reach.low - layer.at, 0), np.maximum(reach.high - layer.at, 0)
    pieces = np.arange(layer.values.shape[1])
    fewest, most = reach.up.sum(axis=1)[:, None], (~reach.down).sum(axis=1)[:, None]
    possible = (pieces >= fewest) & (pieces <= most)
    low = np.where(possible, layer.values, np.inf).min(axis=1)
    return low, np.where(possible, layer.values, -np.inf).max(axis=1)
