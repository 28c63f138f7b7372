"""Programs as DIMACS with rows of binarized nets, which SAT solvers such as CryptoMiniSat read.

Besides clauses there are lines for sums of literals:

    b 1 -2 3 0 2 4      variable 4 is true where at least 2 of the literals are, and only there
    b 1 -2 3 0 2        at least 2 of the literals are true

A pixel is its least value plus the number of its variables that are true, each of which implies the
one before it. A weight that is not -1 or 1 once a row is divided by its greatest common divisor
counts equal copies of its variable.

References:
    CryptoMiniSat 5.11, the comments of its parser of DIMACS.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array, csr_array

from brnn.errors import ConfigError
from brnn.proof.ball import OUTWARD, Ball
from brnn.proof.box import Reach, open_steps
from brnn.proof.cases import Network
from brnn.proof.integer_net import Hidden, Rectified
from brnn.proof.numbers import lowest_power
from brnn.proof.rows import Affine
from brnn.proof.vnnlib import Case, Comparison

MOST_LITERALS = 100_000  # of a row


def dimacs(network: Network, case: Case) -> Iterator[str]:
    """Yield the lines of a file that has a solution for every counterexample of a case.

    Args:
        network: the net on a box of whole pixels.
        case: of the property.

    Raises:
        ConfigError: pixels, sums or logits are no small whole numbers.
    """
    if not network.whole:
        raise ConfigError("program=….cnf needs pixels of whole numbers: add pixels=whole")
    formula = _Formula()
    values = _pixels(formula, network)
    for number, (layer, reach) in enumerate(zip(network.net.hidden, network.reaches, strict=True)):
        if isinstance(layer, Rectified):
            raise ConfigError("program=….cnf cannot state a ReLU or PReLU; use .lp or .mps")
        if not layer.whole or (isinstance(layer, Hidden) and layer.values.dtype != "int64"):
            raise ConfigError(
                f"program=….cnf needs whole weights and units: those of layer {number + 1} are real"
            )
        if isinstance(layer, Hidden):
            outputs = _steps(formula, layer, reach, values)
        else:
            outputs = values.of(layer.weights)
        values = values.followed_by(outputs)
    for part in case:
        _demand(formula, network, part, values)
    return formula.lines()


class _Formula:
    """Clauses and rows over variables from 1 on."""

    def __init__(self) -> None:
        self.count = 0  # of variables
        self.comments: list[str] = []
        self._lines: list[str] = []
        self._copies: dict[int, list[int]] = {}

    def lines(self) -> Iterator[str]:
        """Yield the lines of the file."""
        yield from (f"c {comment}" for comment in self.comments)
        yield f"p cnf {self.count} {len(self._lines)}"
        yield from self._lines

    def variables(self, count: int) -> np.ndarray:
        """Return new variables (count,)."""
        self.count += count
        return np.arange(self.count - count, self.count) + 1

    def clause(self, *literals: int) -> None:
        """Demand that one of some literals is true; none: that there is no solution."""
        if not literals:
            [never] = self.variables(1)
            self.clause(never)
            literals = (-never,)
        self._lines.append(" ".join(map(str, (*literals, 0))))

    def at_least(
        self, weights: np.ndarray, variables: np.ndarray, need: int, output: int | None = None
    ) -> None:
        """Demand that weights @ variables >= need, or that it holds where an output is true.

        Args:
            weights: (v,) whole numbers.
            variables: (v,).
            need: the threshold.
            output: a variable that is to be true where the sum reaches it, and only there.

        Raises:
            ConfigError: the weights are too large.
        """
        variables = variables[weights != 0]
        whole = [int(weight) for weight in weights[weights != 0]]
        divisor = math.gcd(*whole) or 1
        whole, need = [weight // divisor for weight in whole], -(-need // divisor)
        need -= sum(min(weight, 0) for weight in whole)  # a negative one counts the other literal
        if (total := sum(map(abs, whole))) > MOST_LITERALS:
            raise ConfigError(
                f"program=….cnf needs small whole weights, but a sum has {total:,} literals:"
                " its weights are real, or scaled one by one as by a batch normalization"
            )
        if need <= 0 or need > total:
            decided = () if output is None else ((output if need <= 0 else -output),)
            if decided or need > 0:
                self.clause(*decided)
            return
        literals = [
            copy if weight > 0 else -copy
            for weight, variable in zip(whole, variables.tolist(), strict=True)
            for copy in self._equal(variable, abs(weight))
        ]
        row = ["b", *literals, 0, need, *(() if output is None else (output,))]
        self._lines.append(" ".join(map(str, row)))

    def _equal(self, variable: int, count: int) -> list[int]:
        """Return as many variables that equal one, itself included."""
        copies = self._copies.setdefault(variable, [variable])
        for copy in self.variables(max(count - len(copies), 0)).tolist():
            self.clause(-variable, copy)
            self.clause(variable, -copy)
            copies.append(copy)
        return copies[:count]


def _pixels(formula: _Formula, network: Network) -> Affine:
    """Add the pixels that vary, and return all."""
    widths = network.width[: len(network.pixels)].astype("int64")
    owners = np.repeat(network.pixels, widths)
    variables = formula.variables(len(owners))
    ends = np.cumsum(widths)
    for pixel, end, width in zip(network.pixels, ends, widths, strict=True):
        of_pixel = variables[end - width : end]
        formula.comments.append(
            f"pixel {pixel} is {network.low[pixel]:.0f} plus how many of {of_pixel[0]} to"
            f" {of_pixel[-1]} are true"
        )
        for before, after in pairwise(of_pixel):
            formula.clause(before, -after)
    if network.ball:
        number = 1 + np.arange(len(owners)) - np.repeat(ends - widths, widths)
        _limit(formula, network.ball, number - (network.ball.center - network.low)[owners])
    entries = (np.ones(len(owners), "int64"), (owners, variables))
    matrix = csr_array(coo_array(entries, (len(network.low), formula.count + 1)))
    return Affine(matrix, network.low.astype("int64"))


def _limit(formula: _Formula, ball: Ball, steps: np.ndarray) -> None:
    """Limit the changes of pixels, whose variables are the first.

    Args:
        formula: with the pixels.
        ball: of images.
        steps: (v,) of each variable, by how much it moves its pixel above the center; the variable
            of step 1 is the first that changes a pixel upwards, that of step 0 downwards.
    """
    above = steps > 0
    away = np.where(above, steps, 1 - steps)
    if ball.norm == "l2":
        sizes, limit = 2 * away - 1, ball.radius**2  # of which the first i sum to i^2
    else:
        sizes = (away == 1).astype("int64") if ball.norm == "l0" else np.ones_like(away)
        limit = ball.radius
    most = math.floor(limit * (1 + OUTWARD)) - int(sizes[~above].sum())
    formula.at_least(np.where(above, -sizes, sizes), 1 + np.arange(len(steps)), -most)


def _steps(formula: _Formula, layer: Hidden, reach: Reach, inputs: Affine) -> Affine:
    """Add the steps of a layer that the box leaves open, and return its units."""
    heights = np.diff(layer.values, axis=1)
    unit, number = np.nonzero(open_steps(layer, reach))
    variables = formula.variables(len(unit))
    matrix, shift = inputs.of(layer.weights)
    matrix.sort_indices()
    for variable, owner, step in zip(variables, unit, number, strict=True):
        windows = layer.windows[owner]
        bounds = np.stack([layer.rise[owner, :, step], layer.fall[owner, :, step] + 1], axis=1)
        possible = reach.high[windows] >= bounds.min(axis=1)
        sums, bounds = windows[possible], bounds[possible]
        literals = formula.variables(len(sums)) if len(sums) > 1 else [variable]
        for row, literal, (rise, above_fall) in zip(sums, literals, bounds, strict=True):
            part = slice(*matrix.indptr[[row, row + 1]])
            weights, columns = matrix.data[part], matrix.indices[part]
            needs = [math.ceil(bound - shift[row]) for bound in (rise, above_fall)]
            _reaches(formula, weights, columns, needs, literal)
        if len(sums) > 1:
            formula.clause(-variable, *literals)
            for literal in literals:
                formula.clause(variable, -literal)
    for i in np.flatnonzero(unit[1:] == unit[:-1]):
        formula.clause(variables[i], -variables[i + 1])
    entries = (heights[unit, number].astype("int64"), (unit, variables))
    units = csr_array(coo_array(entries, (len(layer.values), formula.count + 1)))
    lowest = layer.values[np.arange(len(layer.values)), reach.up.sum(axis=1)]
    return Affine(units, lowest)


def _reaches(
    formula: _Formula, weights: np.ndarray, variables: np.ndarray, needs: list[int], literal: int
) -> None:
    """Let a literal be true only where a sum reaches the first need, and where it does the second.

    Between the two, rounding in float32 decides.
    """
    may, must = needs
    if may == must:
        formula.at_least(weights, variables, may, literal)
        return
    possible, sure = formula.variables(2).tolist()
    formula.at_least(weights, variables, may, possible)
    formula.at_least(weights, variables, must, sure)
    formula.clause(-literal, possible)
    formula.clause(literal, -sure)


def _demand(formula: _Formula, network: Network, part: Comparison, units: Affine) -> None:
    """Demand that an output is at least another one."""
    weights, constant, rounding = network.net.last.difference(part.smaller, part.larger)
    costs = weights @ units.matrix
    variables = np.flatnonzero(costs)
    unit = float(lowest_power(costs[variables]).min(initial=1.0))
    least = (constant + float(weights @ units.shift) - rounding) / unit
    need = math.floor(least) + 1 if part.strict else math.ceil(least)
    formula.at_least(-costs[variables] / unit, variables, need)
