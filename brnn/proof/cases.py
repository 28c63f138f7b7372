"""The programs that decide a property: one for each case of it that bounds leave open.

A program minimizes the first comparison of a case, that is, the output that must not be larger
minus the one that must be at least as large. There is a counterexample where that is at most 0.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array, diags_array, vstack

from brnn.errors import ProgramSizeError
from brnn.proof import box
from brnn.proof.ball import Ball, Constraint, constraint, tangent
from brnn.proof.box import Reach, open_steps
from brnn.proof.columns import widened
from brnn.proof.integer_net import Carried, IntegerNet, Layer, Rectified
from brnn.proof.links import SLACK, link
from brnn.proof.numbers import RELATIVE, lowest_power
from brnn.proof.rows import DOWN, UP, Affine, Links, Rows, Variables
from brnn.proof.vnnlib import Case, Comparison

LARGEST = 2.0**30  # of costs that are whole numbers
MOST_TERMS = 30_000_000  # of a program's rows; each takes about 100 bytes over all copies


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
        unit: what the cost is a multiple of, in outputs of the net.
    """

    cost: np.ndarray
    constant: float
    rows: csr_array
    least: np.ndarray
    width: np.ndarray
    whole: np.ndarray
    limit: float
    pixels: np.ndarray
    unit: float = 1.0


class Network:
    """A net on a box as variables and rows, for all cases of a property.

    Args:
        net: the net.
        low: (k,) lower bounds of the input.
        high: (k,) upper bounds.
        whole: whether inputs are whole numbers only.
        ball: of which inputs must be too, if it is given.
        sure: whether solutions are to hold in the net, instead of none being left out.

    Raises:
        ProgramSizeError: the box leaves so many units open that the sums of shortcuts or rectifiers
            do not fit into memory.
    """

    def __init__(
        self,
        net: IntegerNet,
        low: np.ndarray,
        high: np.ndarray,
        whole: bool,
        ball: Ball | None = None,
        sure: bool = False,
    ):
        self.net, self.low, self.whole, self.ball, self.sure = net, low, whole, ball, sure
        self.pixels = np.flatnonzero(high > low)
        width, count = (high - low)[self.pixels], len(self.pixels)
        self.inside = constraint(ball, low, width, self.pixels)
        self.width = np.concatenate([width, self.inside.width])
        shape = (len(low), len(self.width))
        matrix = csr_array((np.ones(count), (self.pixels, np.arange(count))), shape=shape)
        values = Affine(matrix, low.astype("float64"))
        clean = (low + high) / 2 if ball is None else ball.center
        clean = np.rint(clean) if whole else clean
        center = np.zeros(shape[1])
        center[:count] = clean[self.pixels] - low[self.pixels]
        self.variables = Variables(center, np.zeros(shape[1], bool))
        self.reaches = box.reaches(net, low, high, ball)
        self.layers: list[Links] = []
        self.terms = 0.0
        for layer, reach in zip(net.hidden, self.reaches, strict=True):
            outputs, rows = _terms(layer, reach, values)
            _check_size(outputs)
            self.terms += rows
            relative = 0.0 if sure else RELATIVE
            links = link(layer, reach, values, self.variables, clean, relative)
            self.layers.append(links)
            values, self.variables = values.followed_by(links.outputs), links.variables
            clean = np.concatenate([clean, layer.outputs(clean[:, None])[:, 0]])
        self.values, self.count = values, self.variables.count

    def is_possible(self, case: Case) -> bool:
        """Return whether interval bounds leave a case open."""
        costs = [self._cost(part) for part in case]
        width = self._width()
        excluded = (
            constant + np.minimum(cost, 0) @ width > limit for cost, constant, limit, _ in costs
        )
        return not any(excluded)

    def problem(self, case: Case) -> Problem:
        """Return the program of a case.

        Raises:
            ProgramSizeError: its rows do not fit into memory.
        """
        _check_size(self.terms)
        costs = [self._cost(part) for part in case]
        matrix, least = self._rows(np.array([cost for cost, *_ in costs]))
        for cost, constant, limit, _ in costs[1:]:
            matrix = csr_array(vstack([matrix, csr_array(-cost[None])]))
            least = np.append(least, constant - limit)
        cost, constant, limit, unit = costs[0]
        matrix, least = self._within_ball(matrix, least, cost)
        used = np.flatnonzero((abs(matrix).sum(axis=0) > 0) | (cost != 0))
        is_pixel = used < len(self.pixels)
        is_size = ~is_pixel & (used < len(self.width))
        counted = self.ball is not None and self.ball.norm == "l0"
        return Problem(
            cost[used],
            constant,
            csr_array(matrix[:, used]),
            least,
            self._width()[used],
            np.where(
                is_pixel,
                self.whole,
                np.where(is_size, self.whole | counted, self.variables.binary[used]),
            ),
            limit,
            self.pixels[used[is_pixel]],
            unit,
        )

    def cut_off(self, point: np.ndarray) -> None:
        """Add a half-space to all programs that contains the ball, in L2, but not a point (k,)."""
        if self.ball:
            row, least = tangent(self.ball, point, self.low, self.pixels)
            rows = csr_array(vstack([self.inside.rows, csr_array(row[None])]))
            self.inside = Constraint(rows, np.append(self.inside.least, least), self.inside.width)

    def _within_ball(
        self, matrix: csr_array, least: np.ndarray, cost: np.ndarray
    ) -> tuple[csr_array, np.ndarray]:
        """Return rows with those of the ball, for the pixels that they or the cost need."""
        rows, count = self.inside.rows, len(self.pixels)
        if self.ball is None or not rows.shape[0]:
            return matrix, least
        needed = np.ones(rows.shape[0], bool)
        if len(self.inside.width):  # of other pixels the change may be 0
            pixels = np.asarray(abs(matrix[:, :count]).sum(axis=0) > 0) | (cost[:count] != 0)
            needed[: 2 * count] = np.tile(pixels, 2)
            rows = rows @ diags_array(np.tile(pixels, 2).astype("float64"))
        wide = widened(csr_array(rows[needed]), self.count)
        return csr_array(vstack([matrix, wide])), np.append(least, self.inside.least[needed])

    def _width(self) -> np.ndarray:
        return np.concatenate([self.width, np.ones(self.count - len(self.width))])

    def _cost(self, demand: Comparison) -> tuple[np.ndarray, float, float, float]:
        """Return costs, constant, limit and unit of a demand: its smaller output minus the larger.

        Exact ones are whole multiples of a power of two, by which they are divided; others are
        divided by their largest size.
        """
        weights, constant, rounding = self.net.last.difference(demand.smaller, demand.larger)
        cost = weights @ self.values.matrix
        constant += float(weights @ self.values.shift)
        numbers = np.append(cost, constant)
        size = np.abs(numbers).max() or 1.0
        unit = min(lowest_power(numbers).min(), size)
        if rounding == 0 and size <= LARGEST * unit and self._is_whole(cost):
            cost, constant = cost / unit, constant / unit
            divisor = float(np.gcd.reduce(np.abs(cost).astype("int64"))) or 1.0
            least = (
                np.ceil(-constant / divisor) - 1 if demand.strict else np.floor(-constant / divisor)
            )
            return cost, constant, constant + divisor * least + SLACK, unit
        error = rounding / size + RELATIVE
        return cost / size, constant / size, -error if self.sure else error, size

    def _is_whole(self, cost: np.ndarray) -> bool:
        """Return whether all variables with a cost are whole numbers."""
        whole = self.variables.binary.copy()
        whole[: len(self.pixels)] = self.whole
        return not cost[~whole].any()

    def _rows(self, costs: np.ndarray) -> tuple[csr_array, np.ndarray]:
        """Return the rows that a program needs whose costs (c, variables) are to be small."""
        up = np.asarray((costs < 0).any(axis=0))  # which variables are wanted up
        down = np.asarray((costs > 0).any(axis=0))
        matrices, bounds = [], []
        for layer in reversed(self.layers):
            kept = [_kept(rows, up, down, self.count) for rows in layer.rows()]
            matrices += [matrix for matrix, _ in kept]
            bounds += [least for _, least in kept]
            used = sum((abs(matrix).sum(axis=0) for matrix, _ in kept), np.zeros(self.count)) > 0
            up, down = up | used, down | used
        return csr_array(vstack(matrices)), np.concatenate(bounds)


def within_limit(problem: Problem) -> Problem:
    """Return a program with the row that its cost is at most its limit."""
    rows = csr_array(vstack([problem.rows, csr_array(-problem.cost[None])]))
    return replace(
        problem, rows=rows, least=np.append(problem.least, problem.constant - problem.limit)
    )


def _terms(layer: Layer, reach: Reach, values: Affine) -> tuple[float, float]:
    """Return about how many terms a layer's real outputs and its rows have."""
    terms = (layer.weights != 0) @ np.diff(values.matrix.indptr).astype("float64")
    if isinstance(layer, Carried):
        return float(terms.sum()), 0.0
    if isinstance(layer, Rectified):
        opened = (reach.low < layer.at) & (reach.high > layer.at)
        return float(terms.sum()), float(2 * terms[opened].sum())
    unit, _ = np.nonzero(open_steps(layer, reach))
    rows_of_a_sum = 4 if layer.whole else 2  # up and down, and the covers of whole sums
    return 0.0, float(rows_of_a_sum * terms[layer.windows[unit]].sum())


def _check_size(terms: float) -> None:
    if terms > MOST_TERMS:
        raise ProgramSizeError(
            "the box leaves so many units open that the program has more than"
            f" {MOST_TERMS:,} terms; take a smaller one"
        )


def _kept(
    rows: Rows, up: np.ndarray, down: np.ndarray, columns: int
) -> tuple[csr_array, np.ndarray]:
    """Return those rows that restrict a variable that is wanted up or down."""
    wanted = (rows.direction != DOWN) & up[rows.variable]
    wanted |= (rows.direction != UP) & down[rows.variable]
    matrix = csr_array(rows.matrix[wanted])
    return widened(matrix, columns), rows.least[wanted]
