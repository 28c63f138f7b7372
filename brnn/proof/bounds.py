"""Interval bounds on the units of a layer.

Shapes: units (k,), kernels (k, m), biases (m,), all in float64.
"""

from dataclasses import dataclass

import numpy as np


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
    """

    columns: np.ndarray
    factor: float
    shift: np.ndarray
    low: np.ndarray
    high: np.ndarray

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
