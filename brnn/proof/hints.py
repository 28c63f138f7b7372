"""Likely counterexamples, by following a gradient that passes straight through the steps."""

from collections.abc import Iterator

import numpy as np

from brnn.proof.integer_net import Hidden, IntegerNet
from brnn.proof.vnnlib import Case, Property

RIVALS = 3  # cases that are tried, nearest first
STEPS = 12
DECAY = 0.8  # of the step's length, which begins as the width of the box


def hints(
    net: IntegerNet, given: Property, low: np.ndarray, high: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield inputs (b, k) between `low` and `high` that come near to fulfilling a case.

    A step of a unit passes its gradient with the weight 1 / (1 + |sum - threshold|).

    Args:
        net: the net.
        given: the property.
        low: (k,) lower bounds of the inputs.
        high: (k,) upper bounds.
    """
    ball = given.ball
    center = (low + high) / 2 if ball is None else ball.center
    logits = net.logits(center[None])[0]
    margins = [
        max(logits[label] - logits[rival] for rival, label, _ in case) for case in given.cases
    ]
    for index in np.argsort(margins)[:RIVALS]:
        case = given.cases[index]
        x, length, path = center, 1.0, []
        for _ in range(STEPS):
            gradient = _gradient(net, x, case)
            x = np.clip(x - length * (high - low) / 2 * np.sign(gradient), low, high)
            if ball:
                x = ball.nearest(x[None], gradient)[0]
            length *= DECAY
            path.append(x)
        yield np.array(path)


def _gradient(net: IntegerNet, x: np.ndarray, case: Case) -> np.ndarray:
    """Return the gradient (k,) of the largest comparison of a case that does not hold."""
    inputs, layers = x, []
    for layer in net.hidden:
        sums = layer.weights @ inputs
        layers.append((layer, sums))
        inputs = layer.units(inputs[:, None])[:, 0]
    logits = net.last.logits(inputs[:, None])[:, 0]
    rival, label, _ = max(case, key=lambda part: logits[part.smaller] - logits[part.larger])
    upstream = net.last.difference(label, rival)[0]
    for layer, sums in reversed(layers):
        upstream = layer.weights.T @ _through(layer, sums, upstream)
    return upstream


def _through(layer: Hidden, sums: np.ndarray, upstream: np.ndarray) -> np.ndarray:
    """Return the gradient by sums (m,) from that by units (n,)."""
    beyond = sums[layer.windows][..., None] - layer.at
    largest = beyond[..., 0].argmax(axis=1)[:, None]
    row = np.take_along_axis(layer.windows, largest, axis=1)[:, 0]
    distance = np.abs(np.take_along_axis(beyond, largest[..., None], axis=1))[:, 0]
    weight = (np.diff(layer.values, axis=1) / (1 + distance)).sum(axis=1)
    return np.bincount(row, upstream * weight, minlength=len(sums))
