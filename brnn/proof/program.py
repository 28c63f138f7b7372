"""A net and a budget as a mixed-integer program."""

import numpy as np

from brnn.proof.bounds import Units, interval
from brnn.proof.reading import BIT

GAP = 1e-4  # by which a real pre-activation must be below 0 to count as negative; integer ones by 1


class Program:
    """Linear constraints low <= rows @ variables <= high, where variables are bounded and some are whole."""

    def __init__(self, low, high, whole: bool):
        self.low, self.high = list(low), list(high)
        self.whole = [whole] * len(self.low)
        self.rows, self.least = (
            [],
            [],
        )  # each row: {variable: coefficient}; each sum is at least that

    def binary(self) -> int:
        """A new variable that is 0 or 1."""
        self.low.append(0.0)
        self.high.append(1.0)
        self.whole.append(True)
        return len(self.low) - 1

    def at_least(self, row: dict[int, float], least: float) -> None:
        """A new constraint."""
        self.rows.append(row)
        self.least.append(least)

    def matrix(self) -> np.ndarray:
        """The coefficients of all rows."""
        matrix = np.zeros((len(self.rows), len(self.low)))
        for number, row in enumerate(self.rows):
            matrix[number, list(row)] = list(row.values())
        return matrix


def build_program(layers, one_bit: bool, x, label: int, epsilon: float) -> Program | None:
    """The program whose solutions are the images of another class; None where bounds show that there are none."""
    low, high = np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)
    if one_bit:
        low, high = (np.float64(bound >= BIT) for bound in (low, high))
    integer = one_bit and all(
        np.all(value == np.round(value)) for layer in layers for value in layer
    )
    gap = 1.0 if integer else GAP
    program = Program(low, high, whole=one_bit)
    units = Units(np.arange(len(x)), 1.0, np.zeros(len(x)), low, high)
    for kernel, bias in layers[:-1]:
        units = _hidden(program, kernel, bias, units, gap)
    return _output(program, *layers[-1], units, label, gap)


def _hidden(program, kernel, bias, units, gap) -> Units:
    """Adds a layer of signs; each whose sum may have both is a variable, 2 sign - 1."""
    least, most = interval(kernel, bias, units)
    columns, shift = np.full(len(bias), -1), np.where(least >= 0, 1.0, -1.0)
    for unit in np.flatnonzero((least < 0) & (most >= 0)):
        row, constant = units.sum(kernel[:, unit])
        constant += bias[unit]
        columns[unit] = sign = program.binary()
        program.at_least(
            row | {sign: least[unit]}, least[unit] - constant
        )  # sign = 1: the sum is at least 0
        reach = most[unit] + gap
        program.at_least(
            {k: -v for k, v in row.items()} | {sign: reach}, constant + gap
        )  # sign = 0: at most -gap
    high = np.where(columns < 0, shift, 1.0)
    return Units(columns, 2.0, shift, shift, high)


def _output(program, kernel, bias, units, label: int, gap: float) -> Program | None:
    """Demands that some class beats the label; of equal logits the first counts, as in argmax."""
    chosen = {}
    for other in range(len(bias)):
        weights, constant = kernel[:, other] - kernel[:, label], bias[other] - bias[label]
        need = 0.0 if other < label else gap
        least, most = (
            float(bound[0]) for bound in interval(weights[:, None], np.array([constant]), units)
        )
        if other == label or most < need:
            continue
        row, shift = units.sum(weights)
        choice, slack = program.binary(), min(least - need, 0.0)
        chosen[choice] = 1.0
        program.at_least(row | {choice: slack}, need + slack - constant - shift)
    if not chosen:
        return None
    program.at_least(chosen, 1.0)
    return program
