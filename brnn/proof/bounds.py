"""Interval bounds on the units of a layer."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Units:
    """The units of a layer: factor * variable + shift each, or where `columns` is -1 the constant shift."""

    columns: np.ndarray
    factor: float
    shift: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def sum(self, weights) -> tuple[dict[int, float], float]:
        """A weighted sum of the units as coefficients of variables and a constant."""
        free = self.columns >= 0
        row = dict(
            zip(self.columns[free].tolist(), (self.factor * weights[free]).tolist(), strict=True)
        )
        return row, float(weights @ self.shift)


def interval(kernel, bias, units: Units):
    """Bounds on kernel' units + bias."""
    low, high = units.low, units.high
    up, down = np.maximum(kernel, 0), np.minimum(kernel, 0)
    return low @ up + high @ down + bias, high @ up + low @ down + bias
