"""Nets with a budget as mixed-integer programs.

Shapes: an image x (p,), kernels (k, m), biases (m,), all in float64. A unit of a hidden layer is a
sign, 2 z - 1 with z a variable that is 0 or 1.
"""

from collections.abc import Iterable

import numpy as np

from brnn.proof.bounds import Units, interval
from brnn.proof.reading import BIT, Layers

GAP = 1e-4  # a real sum counts as negative from -GAP down, an integer one from -1


class Program:
    """Linear constraints row @ variables >= least, with bounded variables.

    Args:
        low: lower bound of each variable to begin with.
        high: upper bound of each.
        whole: whether they are whole numbers.
    """

    def __init__(self, low: Iterable[float], high: Iterable[float], whole: bool):
        self.low, self.high = list(low), list(high)
        self.whole = [whole] * len(self.low)
        self.rows: list[dict[int, float]] = []  # coefficients by variable
        self.least: list[float] = []

    def binary(self) -> int:
        """Add a variable that is 0 or 1, and return its index."""
        self.low.append(0.0)
        self.high.append(1.0)
        self.whole.append(True)
        return len(self.low) - 1

    def at_least(self, row: dict[int, float], least: float) -> None:
        """Add a constraint."""
        self.rows.append(row)
        self.least.append(least)

    def matrix(self) -> np.ndarray:
        """Return the coefficients (rows, variables)."""
        matrix = np.zeros((len(self.rows), len(self.low)))
        for number, row in enumerate(self.rows):
            matrix[number, list(row)] = list(row.values())
        return matrix


def build_program(
    layers: Layers, one_bit: bool, x: np.ndarray, label: int, epsilon: float
) -> Program | None:
    """Return the program whose solutions are images of another class; None if bounds exclude any.

    Args:
        layers: kernel and bias of each layer.
        one_bit: whether the net rounds pixels to 0 or 1.
        x: the clean image.
        label: its class.
        epsilon: the budget in L-inf.
    """
    low, high = np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)
    if one_bit:
        low, high = ((bound >= BIT).astype("float64") for bound in (low, high))
    integer = one_bit and all(
        np.all(values == np.round(values)) for layer in layers for values in layer
    )
    gap = 1.0 if integer else GAP
    program = Program(low, high, whole=one_bit)
    units = Units(np.arange(len(x)), 1.0, np.zeros(len(x)), low, high)
    for kernel, bias in layers[:-1]:
        units = _add_hidden(program, kernel, bias, units, gap)
    return _add_output(program, *layers[-1], units, label, gap)


def _add_hidden(
    program: Program, kernel: np.ndarray, bias: np.ndarray, units: Units, gap: float
) -> Units:
    """Add a layer of signs; a unit whose sum may have both signs gets a variable."""
    least, most = interval(kernel, bias, units)
    columns, shift = np.full(len(bias), -1), np.where(least >= 0, 1.0, -1.0)
    for unit in np.flatnonzero((least < 0) & (most >= 0)):
        row, constant = units.sum(kernel[:, unit])
        constant += bias[unit]
        columns[unit] = sign = program.binary()
        # sign = 1: the sum is at least 0
        program.at_least(row | {sign: least[unit]}, least[unit] - constant)
        # sign = 0: the sum is at most -gap
        reach = most[unit] + gap
        negative = {column: -coefficient for column, coefficient in row.items()}
        program.at_least(negative | {sign: reach}, constant + gap)
    high = np.where(columns < 0, shift, 1.0)
    return Units(columns, 2.0, shift, shift, high)


def _add_output(
    program: Program, kernel: np.ndarray, bias: np.ndarray, units: Units, label: int, gap: float
) -> Program | None:
    """Demand that a class beats the label; of equal logits the first counts, as in argmax."""
    choices = {}
    for other in range(len(bias)):
        weights, constant = kernel[:, other] - kernel[:, label], bias[other] - bias[label]
        need = 0.0 if other < label else gap
        bounds = interval(weights[:, None], np.array([constant]), units)
        least, most = (float(bound[0]) for bound in bounds)
        if other == label or most < need:
            continue
        row, shift = units.sum(weights)
        choice, slack = program.binary(), min(least - need, 0.0)
        choices[choice] = 1.0
        program.at_least(row | {choice: slack}, need + slack - constant - shift)
    if not choices:
        return None
    program.at_least(choices, 1.0)
    return program
