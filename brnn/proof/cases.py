"""The programs that decide a property: one for each case of it that bounds leave open.

A program minimizes the first comparison of a case, that is, the output that must not be larger
minus the one that must be at least as large. There is a counterexample where that is at most 0.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, vstack

from brnn.proof import box
from brnn.proof.integer_net import IntegerNet
from brnn.proof.links import DOWN, RELATIVE, SLACK, Affine, Links, Rows, link
from brnn.proof.vnnlib import Case


@dataclass(frozen=True)
class Problem:
    """A program: minimize cost @ v + constant, with rows @ v >= least and 0 <= v <= width.

    Args:
        cost: (v,).
        constant: of the cost.
        rows: (r, v).
        least: (r,).
        width: (v,).
        whole: (v,) which variables are whole numbers.
        limit: the largest cost of a counterexample.
        pixels: (p,) which pixels the first variables are.
    """

    cost: np.ndarray
    constant: float
    rows: csr_array
    least: np.ndarray
    width: np.ndarray
    whole: np.ndarray
    limit: float
    pixels: np.ndarray


class Network:
    """A net on a box as variables and rows, for all cases of a property.

    Args:
        net: the net.
        low: (k,) lower bounds of the input.
        high: (k,) upper bounds.
        whole: whether inputs are whole numbers only.
        sure: whether solutions are to hold in the net, instead of none being left out.
    """

    def __init__(
        self,
        net: IntegerNet,
        low: np.ndarray,
        high: np.ndarray,
        whole: bool,
        sure: bool = False,
    ):
        self.net, self.low, self.whole, self.sure = net, low, whole, sure
        self.pixels = np.flatnonzero(high > low)
        self.width = (high - low)[self.pixels]
        count = len(self.pixels)
        shape = (len(low), count)
        matrix = csr_array((np.ones(count), (self.pixels, np.arange(count))), shape=shape)
        units = Affine(matrix, low.astype("float64"), False)
        clean = np.rint((low + high) / 2) if whole else (low + high) / 2
        center = clean[self.pixels] - low[self.pixels]
        self.reaches = box.reaches(net, low, high)
        self.layers: list[Links] = []
        for layer, reach in zip(net.hidden, self.reaches, strict=True):
            relative = 0.0 if sure else RELATIVE
            self.layers.append(link(layer, reach, units, center, clean, relative))
            units, center = self.layers[-1].units, self.layers[-1].center
            clean = layer.units(clean[:, None])[:, 0]
        self.units, self.count = units, len(center)

    def is_possible(self, case: Case) -> bool:
        """Return whether interval bounds leave a case open."""
        costs = [self._cost(*pair) for pair in case]
        width = self._width()
        return all(
            constant + np.minimum(cost, 0) @ width <= limit for cost, constant, limit in costs
        )

    def problem(self, case: Case) -> Problem:
        """Return the program of a case."""
        costs = [self._cost(*pair) for pair in case]
        matrix, least = self._rows(np.array([cost for cost, _, _ in costs]))
        for cost, constant, limit in costs[1:]:
            matrix = csr_array(vstack([matrix, csr_array(-cost[None])]))
            least = np.append(least, constant - limit)
        cost, constant, limit = costs[0]
        used = np.flatnonzero((abs(matrix).sum(axis=0) > 0) | (cost != 0))
        is_pixel = used < len(self.pixels)
        return Problem(
            cost[used],
            constant,
            csr_array(matrix[:, used]),
            least,
            self._width()[used],
            ~is_pixel | self.whole,
            limit,
            self.pixels[used[is_pixel]],
        )

    def _width(self) -> np.ndarray:
        return np.concatenate([self.width, np.ones(self.count - len(self.width))])

    def _cost(self, rival: int, label: int) -> tuple[np.ndarray, float, float]:
        """Return costs, constant and limit of output `label` minus output `rival`.

        Those that are not whole numbers are divided by their largest size.
        """
        weights, constant, rounding = self.net.last.difference(label, rival)
        cost = weights @ self.units.matrix
        constant += float(weights @ self.units.shift)
        numbers = np.append(cost, constant)
        if rounding == 0 and (numbers == np.rint(numbers)).all():
            divisor = float(np.gcd.reduce(np.abs(cost).astype("int64"))) or 1.0
            return cost, constant, constant + divisor * np.floor(-constant / divisor) + SLACK
        size = np.abs(numbers).max() or 1.0
        error = rounding / size + RELATIVE
        return cost / size, constant / size, -error if self.sure else error

    def _rows(self, costs: np.ndarray) -> tuple[csr_array, np.ndarray]:
        """Return the rows that a program needs whose costs (c, variables) are to be small."""
        up = np.asarray((costs < 0).any(axis=0))  # which steps are wanted up
        down = np.asarray((costs > 0).any(axis=0))
        matrices, bounds = [], []
        for layer in reversed(self.layers):
            kept = [_kept(rows, up, down, self.count) for rows in layer.rows]
            matrices += [matrix for matrix, _ in kept]
            bounds += [least for _, least in kept]
            used = sum((abs(matrix).sum(axis=0) for matrix, _ in kept), np.zeros(self.count)) > 0
            up, down = up | used, down | used
        return csr_array(vstack(matrices)), np.concatenate(bounds)


def _kept(
    rows: Rows, up: np.ndarray, down: np.ndarray, columns: int
) -> tuple[csr_array, np.ndarray]:
    """Return those rows that restrict a step that is wanted up or down."""
    direction = np.where(rows.value == DOWN, down[rows.step], up[rows.step])
    matrix = csr_array(rows.matrix[direction])
    parts = (matrix.data, matrix.indices, matrix.indptr)
    return csr_array(parts, shape=(matrix.shape[0], columns)), rows.least[direction]
