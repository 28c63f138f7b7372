"""An exported net compared with the net itself, on the test data.

Shapes: inputs (n, *d); logits (n, C).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from brnn.errors import ExportError
from brnn.exchange.batches import in_batches
from brnn.exchange.exported import Exported
from brnn.exchange.net import Layer, Net
from brnn.exchange.speed import ROWS

UNIT_ROUNDOFF = 2.0**-24  # of float32
ROUNDINGS = 8  # of the sum of all sizes; four times what sums of 784 pixels were seen to be off
Evaluate = Callable[[np.ndarray], np.ndarray]
TIE = 2.0**-16  # logits this close, relative to the largest, are equal up to rounding


@dataclass(frozen=True)
class Reference:
    """What the net itself computes on the test data.

    Attributes:
        x: inputs as the data set holds them.
        logits: of the net.
        undecided: (n,) whether the rounding of float32 may change a sign, or the class.
    """

    x: np.ndarray
    logits: np.ndarray
    undecided: np.ndarray


def reference(evaluate: Evaluate, net: Net, x: np.ndarray) -> Reference:
    """Return what a net computes.

    Args:
        evaluate: maps inputs as the data set holds them to the logits of the net in float32.
        net: what the formats write.
        x: inputs.
    """
    logits = in_batches(evaluate, x)
    undecided = in_batches(lambda rows: _undecided(net, rows), x)
    if not net.exact and logits.shape[1] > 1:
        first, second = np.sort(logits, axis=1)[:, :-3:-1].T
        undecided |= first - second <= TIE * np.abs(logits).max(axis=1)
    return Reference(x, logits, undecided)


def measures(
    name: str, exported: Exported, net: Net, expected: Reference, tolerance: float
) -> dict[str, float]:
    """Return the size and the speed of an exported net, and how exactly it computes the logits.

    Args:
        name: of the format.
        exported: the net in this format; of several runtimes the worst counts.
        net: what the format writes.
        expected: what the net computes.
        tolerance: share of all inputs whose class may differ; undecided ones do not count.

    Raises:
        ExportError: more classes differ.

    Metrics:
        export/{format}/bytes (bytes): size of the exported file
        export/{format}/bits_per_weight (bits): of the file, for each weight of a kernel
        export/{format}/other_classes (count): test inputs whose class is not that of the net
        export/{format}/logit_difference (logits): largest absolute difference of a logit from that
            of the net, over the test inputs that are not undecided
        export/{format}/images_per_second (1/s): test inputs computed one at a time, by CPU time on
            one core; by NumPy and qonnx on as many cores as they use
        export/{format}/images_per_second_in_batches (1/s): the same for 128 inputs at once; C
            computes one after the other
        export/undecided (share): test inputs with a sum so near its threshold that the rounding of
            float32 may decide the sign
    """
    compared = [
        _compared(f"format={name} by {runtime}", logits(expected.x), expected, tolerance)
        for runtime, logits in exported.runtimes.items()
    ]
    single, batched = (
        rows / exported.seconds(np.resize(expected.x, (rows, *expected.x.shape[1:])))
        for rows in ROWS
    )
    return {
        f"export/{name}/bytes": len(exported.content),
        f"export/{name}/bits_per_weight": 8 * len(exported.content) / net.weights,
        f"export/{name}/other_classes": max(count for count, _ in compared),
        f"export/{name}/logit_difference": max(difference for _, difference in compared),
        f"export/{name}/images_per_second": single,
        f"export/{name}/images_per_second_in_batches": batched,
        "export/undecided": float(expected.undecided.mean()),
    }


def _compared(
    what: str, logits: np.ndarray, expected: Reference, tolerance: float
) -> tuple[float, float]:
    """Return the number of other classes, and the largest difference of a logit."""
    decided, count = ~expected.undecided, len(expected.x)
    differs = logits.argmax(axis=1) != expected.logits.argmax(axis=1)
    differing = int((decided & differs).sum())
    if differing > tolerance * count:
        raise ExportError(
            f"{what}: {differing:,} of {count:,} test inputs have another class than in the net,"
            " not counting undecided ones;"
            f" tolerance={tolerance:g} allows {int(tolerance * count):,}"
        )
    difference = np.abs(logits - expected.logits)[decided]
    return float(differs.sum()), float(difference.max(initial=0.0))


def _undecided(net: Net, x: np.ndarray) -> np.ndarray:
    """Return which inputs (n,) have a sum whose level the rounding of float32 may change."""
    x = net.inputs_of(x)
    result = np.zeros(len(x), bool)
    for layer in net.layers[:-1]:
        sums = layer.sums(x)
        if layer.steps is not None and not layer.exact:
            sizes = layer.sizes(x)
            for edge in layer.steps.at:
                cut, size = _cut(layer, edge)
                near = np.abs(sums - cut) <= ROUNDINGS * UNIT_ROUNDOFF * (sizes + size)
                result |= near.reshape(len(x), -1).any(axis=1)
        x = layer.output(sums).astype("float64")
    return result


def _cut(layer: Layer, edge: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the real sums (m,) at which a unit reaches a step, and the sizes of its constants.

    Both are in units of sums; infinite where a unit is constant.
    """
    constant = layer.multiplier == 0
    offset = (edge - layer.shift) / np.where(constant, 1, layer.multiplier).astype("float64")
    cut = (offset - layer.bias) / layer.scale
    size = (np.abs(layer.bias) + np.abs(offset)) / layer.scale
    return np.where(constant, np.inf, cut), np.where(constant, 0, size)
