"""Likely counterexamples, by following a gradient that passes straight through the steps."""

from collections.abc import Sequence

import numpy as np

from brnn.proof.integer_net import Hidden, IntegerNet, Rectified
from brnn.proof.vnnlib import Case, Property

RIVALS = 9  # cases that are tried, the nearest ones; all of ten classes
STEPS = 12
DECAY = 0.8  # of the step's length, which begins as the width of the box


def hints(net: IntegerNet, given: Property, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return inputs (b, k) between `low` and `high` that come near to fulfilling a case.

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
    cases = [given.cases[index] for index in np.argsort(margins)[:RIVALS]]
    x, length, path = np.repeat(center[None], len(cases), axis=0), 1.0, []
    for _ in range(STEPS):
        gradients = _gradients(net, x, cases)
        x = np.clip(x - length * (high - low) / 2 * np.sign(gradients), low, high)
        if ball:
            x = ball.nearest(x, gradients)
        length *= DECAY
        path.append(x)
    return np.concatenate(path)


def _gradients(net: IntegerNet, x: np.ndarray, cases: Sequence[Case]) -> np.ndarray:
    """Return for each input (r, k) the gradient (r, k) of its case.

    It is that of the largest comparison that does not hold.
    """
    values, layers = x.T, []
    for layer in net.hidden:
        sums = layer.weights @ values
        layers.append((layer, sums))
        values = np.concatenate([values, layer.of_sums(sums)])
    upstream = np.empty_like(values, "float64")
    for column, (logits, case) in enumerate(zip(net.last.logits(values).T, cases, strict=True)):
        rival, label, _ = max(case, key=lambda part: logits[part.smaller] - logits[part.larger])
        upstream[:, column] = net.last.difference(label, rival)[0]
    for layer, sums in reversed(layers):
        before = layer.weights.shape[1]
        outputs = upstream[before:]
        if isinstance(layer, Hidden):
            outputs = _through(layer, sums, outputs)
        if isinstance(layer, Rectified):
            outputs = outputs * (sums > layer.at[:, None])
        upstream = upstream[:before] + layer.weights.T @ outputs
    return upstream.T


def _through(layer: Hidden, sums: np.ndarray, upstream: np.ndarray) -> np.ndarray:
    """Return the gradients by sums (m, r) from those by units (n, r)."""
    beyond = sums[layer.windows][:, :, None] - layer.at[..., None]
    largest = beyond[:, :, 0].argmax(axis=1)
    row, column = np.take_along_axis(layer.windows, largest, axis=1), np.arange(sums.shape[1])
    distance = np.abs(np.take_along_axis(beyond, largest[:, None, None], axis=1))[:, 0]
    weight = (np.diff(layer.values, axis=1)[..., None] / (1 + distance)).sum(axis=1)
    gradients = np.zeros(sums.shape)
    np.add.at(gradients, (row, column), upstream * weight)
    return gradients
