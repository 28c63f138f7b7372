"""Nets with a budget as mixed-integer programs.

Shapes: an image x (p,), kernels (k, m), biases (m,), all in float64. A unit of a hidden layer is a
sign, 2 z - 1 with z a variable that is 0 or 1.

The net itself adds in float32. Where all terms of a sum are multiples of a power of two and few
enough, that is exact. Any other sum may be off by a bound on its rounding, so that a sum nearer to
0 than this may have either sign.
"""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from brnn.errors import ConfigError
from brnn.proof.bounds import Units, interval, sums
from brnn.proof.cp_sat import Row
from brnn.proof.reading import BIT, Layer

EITHER, SURE = -1.0, 1.0  # whether a sum within its rounding may have either sign, or neither
LARGEST = 2**31  # sum of the whole numbers in a row, which CP-SAT and its time can bear


class Constraint(NamedTuple):
    """A sum of variables that is to be at least a number.

    Attributes:
        row: coefficients by variable.
        least: the number.
        sign: a binary variable that calls for the constraint; None if it always holds.
        value: that of `sign` which calls for it.
    """

    row: dict[int, float]
    least: float
    sign: int | None = None
    value: bool = True


class Program:
    """Linear constraints on bounded variables.

    Args:
        low: lower bound of each variable to begin with.
        high: upper bound of each.
        whole: whether they are whole numbers.
    """

    def __init__(self, low: Iterable[float], high: Iterable[float], whole: bool):
        self.low, self.high = list(low), list(high)
        self.whole = [whole] * len(self.low)
        self.constraints: list[Constraint] = []
        self.rounds = False  # whether a sum may be off by its rounding

    def binary(self) -> int:
        """Add a variable that is 0 or 1, and return its index."""
        self.low.append(0.0)
        self.high.append(1.0)
        self.whole.append(True)
        return len(self.low) - 1

    def matrix(self) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients (rows, variables) and lower bounds (rows,); the largest is 1.

        A constraint that a sign calls for becomes one that always holds: the sign of the other
        value lowers its bound to the least sum that there is.
        """
        matrix = np.zeros((len(self.constraints), len(self.low)))
        bounds = np.zeros(len(matrix))
        low, high = np.array(self.low), np.array(self.high)
        for number, (row, least, sign, value) in enumerate(self.constraints):
            columns, weights = list(row), np.array(list(row.values()))
            size = np.abs(weights).max(initial=0.0) or 1.0
            weights, least = weights / size, least / size
            matrix[number, columns] = weights
            if sign is not None:
                reach = float(weights @ np.where(weights > 0, low[columns], high[columns]))
                gap = max(least - reach, 0.0)
                matrix[number, sign] = -gap if value else gap
                least -= gap if value else 0.0
            bounds[number] = least
        return matrix, bounds

    def whole_rows(self) -> list[Row]:
        """Return the constraints in whole numbers.

        Raises:
            ConfigError: a variable is real, or a row has no common unit.
        """
        if not all(self.whole):
            raise ConfigError(
                "attack.solver=cp_sat needs a net of one-bit inputs, as of"
                " topology.binary_input=true; use highs"
            )
        rows = []
        for row, least, sign, value in self.constraints:
            units = common_unit(list(row.values()))
            if units is None:
                raise ConfigError(NOT_WHOLE.format("the net"))
            whole = {i: int(Fraction(weight) / units) for i, weight in row.items()}
            rows.append((whole, math.ceil(Fraction(least) / units), sign, value))
        return rows


NOT_WHOLE = (
    "attack.solver=cp_sat needs weights that are small multiples of one number, as of"
    " precision=binarynet, which those of {} are not; use highs"
)


def common_unit(weights: Iterable[float]) -> Fraction | None:
    """Return the largest number of which all weights are multiples; None if they are too many."""
    ratios = [abs(Fraction(weight)) for weight in weights if weight]
    if not ratios:
        return Fraction(1)
    denominator = math.lcm(*(ratio.denominator for ratio in ratios))
    unit = Fraction(math.gcd(*(int(ratio * denominator) for ratio in ratios)), denominator)
    return unit if sum(ratios) / unit <= LARGEST else None


def check_whole(layers: list[Layer]) -> None:
    """Check that the sums of a net can be written in whole numbers.

    Raises:
        ConfigError: those of a layer cannot.
    """
    last = layers[-1].kernel
    for layer in layers:
        kernel = layer.kernel if layer is not layers[-1] else last - np.roll(last, 1, axis=1)
        for column in kernel.T:
            if common_unit(np.unique(np.abs(column))) is None:
                raise ConfigError(NOT_WHOLE.format(f"the layer {layer.name}"))


def build_program(
    layers: list[Layer],
    one_bit: bool,
    x: np.ndarray,
    label: int,
    epsilon: float,
    rounding: float = EITHER,
) -> Program | None:
    """Return the program whose solutions are images of another class; None if bounds exclude any.

    Args:
        layers: kernel and bias of each layer.
        one_bit: whether the net rounds pixels to 0 or 1.
        x: the clean image.
        label: its class.
        epsilon: the budget in L-inf.
        rounding: `EITHER`, so that no image of another class is left out, or `SURE`, so that only
            images are left whose class no rounding changes.
    """
    low, high = np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)
    if one_bit:
        low, high = ((bound >= BIT).astype("float64") for bound in (low, high))
    program = Program(low, high, whole=one_bit)
    units = Units(np.arange(len(x)), 1.0, np.zeros(len(x)), low, high, whole=one_bit)
    for layer in layers[:-1]:
        units = _add_hidden(program, layer, units, rounding)
    return _add_output(program, layers[-1], units, label, rounding)


def _add_hidden(program: Program, layer: Layer, units: Units, rounding: float) -> Units:
    """Add a layer of signs; a unit whose sum may have both signs gets a variable."""
    kernel, bias, (least, most, step, error) = layer.kernel, layer.bias, sums(layer, units)
    positive = least >= error
    negative = (most < 0) & (most <= -error)
    columns, shift = np.full(len(bias), -1), np.where(positive, 1.0, -1.0)
    for unit in np.flatnonzero(~positive & ~negative):
        row, constant = units.sum(kernel[:, unit])
        constant += bias[unit]
        columns[unit] = sign = program.binary()
        program.rounds |= error[unit] > 0
        margin = rounding * error[unit]
        program.constraints.append(Constraint(row, margin - constant, sign, True))
        opposite = {column: -weight for column, weight in row.items()}
        below = margin if error[unit] else step[unit]  # an exact sum below 0 is at most -step
        program.constraints.append(Constraint(opposite, below + constant, sign, False))
    high = np.where(columns < 0, shift, 1.0)
    return Units(columns, 2.0, shift, shift, high, whole=True)


def _add_output(
    program: Program, layer: Layer, units: Units, label: int, rounding: float
) -> Program | None:
    """Demand that a class beats the label; of equal logits the first counts, as in argmax."""
    logits, choices = sums(layer, units), {}
    for other in range(len(layer.bias)):
        if other == label:
            continue
        weights = layer.kernel[:, other] - layer.kernel[:, label]
        constant = layer.bias[other] - layer.bias[label]
        error = logits.error[other] + logits.error[label]
        step = min(logits.step[other], logits.step[label])
        need = rounding * error if error else 0.0 if other < label else step
        _, most = interval(weights[:, None], np.array([constant]), units)
        if most[0] < need:
            continue
        row, shift = units.sum(weights)
        choice = program.binary()
        choices[choice] = 1.0
        program.rounds |= error > 0
        program.constraints.append(Constraint(row, need - constant - shift, choice, True))
    if not choices:
        return None
    program.constraints.append(Constraint(choices, 1.0))
    return program
