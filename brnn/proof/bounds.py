"""Interval bounds on the units of a layer.

Shapes: units (k,), kernels (k, m), biases (m,), all in float64.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:  # which imports Keras
    from brnn.proof.reading import Layer

UNIT = 2.0**-24  # relative rounding of float32
EXACT = 2.0**24  # whole numbers up to here are exact in float32
OPERATIONS = 8  # more than a normalization and a bias add to those of a sum


@dataclass(frozen=True)
class Units:
    """The units of a layer in terms of variables of a program.

    A unit is factor * variable + shift or, where its column is -1, the constant shift.

    Args:
        columns: the index of each unit's variable, or -1.
        factor: of all variables.
        shift: of each unit.
        low: lower bound of each unit.
        high: upper bound of each unit.
        whole: whether all units are whole numbers.
    """

    columns: np.ndarray
    factor: float
    shift: np.ndarray
    low: np.ndarray
    high: np.ndarray
    whole: bool

    def sum(self, weights: np.ndarray) -> tuple[dict[int, float], float]:
        """Return a weighted sum of the units: coefficients by variable, and a constant."""
        free = self.columns >= 0
        coefficients = (self.factor * weights[free]).tolist()
        row = dict(zip(self.columns[free].tolist(), coefficients, strict=True))
        return row, float(weights @ self.shift)


def interval(kernel: np.ndarray, bias: np.ndarray, units: Units) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper bounds (m,) on units @ kernel + bias."""
    positive, negative = np.maximum(kernel, 0), np.minimum(kernel, 0)
    low = units.low @ positive + units.high @ negative + bias
    return low, units.high @ positive + units.low @ negative + bias


class Sums(NamedTuple):
    """What is known of the sums of a layer, each (m,).

    Attributes:
        least: lower bounds.
        most: upper bounds.
        step: a power of two of which each sum is a multiple, if it is exact.
        error: bounds on the rounding of float32; 0 where a sum is exact.
    """

    least: np.ndarray
    most: np.ndarray
    step: np.ndarray
    error: np.ndarray


def sums(layer: "Layer", units: Units) -> Sums:
    """Return bounds on the sums of a layer, and on what the net makes of them in float32.

    The error of a sum of n terms is at most about n 2^-24 times the sum of their sizes, in
    whatever order they are added.
    """
    sizes = np.maximum(np.abs(units.low), np.abs(units.high))
    total = sizes @ np.abs(layer.kernel) + layer.terms
    step = _step(np.vstack([layer.kernel, layer.bias]))
    exact = units.whole & layer.plain & (total <= EXACT * step)
    error = np.where(exact, 0.0, (len(sizes) + OPERATIONS) * UNIT * total)
    return Sums(*interval(layer.kernel, layer.bias, units), step, error)


def _step(values: np.ndarray) -> np.ndarray:
    """Return the largest power of two (m,) of which all values (k, m) of a column are multiples."""
    return lowest_power(values).min(axis=0)


def lowest_power(values: np.ndarray) -> np.ndarray:
    """Return the largest power of two of which each value is a multiple; infinity for 0."""
    mantissa, exponent = np.frexp(values)
    whole = (mantissa * 2.0**53).astype("int64")
    lowest = np.ldexp((whole & -whole).astype("float64"), exponent - 53)
    return np.where(values == 0, np.inf, lowest)
