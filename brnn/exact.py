"""Exact robustness: whether any perturbation within a budget changes the class, decided by a solver.

A net of binary activations is a mixed-integer program: each hidden unit whose sign the interval bounds leave open is
a binary variable, and so is each pixel of a net with one-bit inputs that may flip. Khalil, Gupta and Dilkina 2019
(arXiv:1810.03538); Jia and Rinard 2020 (arXiv:2005.03597) say why attacks alone overstate robustness.
"""

import time
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from brnn import cp_sat
from brnn.config import ConfigError
from brnn.cp_sat import BROKEN, CERTIFIED, UNKNOWN
from brnn.layers import QuantActivation
from brnn.ranges import Epsilon, Positive

GAP = 1e-4  # by which a real pre-activation must be below 0 to count as negative; integer ones by 1
BIT = 0.5  # pixels from here on are 1 to a net with one-bit inputs


@dataclass(frozen=True)
class Verdict:
    """What is known of one image; `image` breaks it, where there is one."""

    status: str
    image: np.ndarray | None
    seconds: float


def exact(
    model: keras.Model,
    x,
    label: int,
    example,
    *,
    epsilon: Epsilon,
    solver: Literal["highs", "cp_sat"],
    seconds: Positive,
) -> Verdict:
    """The verdict on one image `x` of class `label`, for all images within L-inf `epsilon` of it in [0, 1].

    Tried in this order: the image itself and `example`, an attempt of an attack (or None); interval bounds; the solver
    with a time limit. A solver's example is checked on the net: one that does not hold makes the verdict unknown.

    `certified` is a proof with `cp_sat`, which computes with whole numbers, and needs one-bit inputs and integer
    weights. With `highs` it holds up to tolerances of floating-point numbers: constraints may be off by 1e-6, and where
    pixels are grey or batch normalization is folded in, sums between -1e-4 and 0 are left out and those of the net
    itself are rounded to float32.
    """
    began = time.perf_counter()
    for tried in (x, example):
        if tried is not None and _class(model, tried) != label:
            return Verdict(BROKEN, tried, time.perf_counter() - began)
    one_bit, layers = _read(model)
    program = _program(layers, one_bit, x.ravel().astype("float64"), label, epsilon)
    if program is None:
        return Verdict(CERTIFIED, None, time.perf_counter() - began)
    solve = {"highs": _highs, "cp_sat": _cp_sat}[solver]
    status, values = solve(program, seconds)
    image = None
    if status == BROKEN:
        image = _image(values[: x.size], one_bit, x, epsilon)
        status = status if _class(model, image) != label else UNKNOWN
    return Verdict(status, image if status == BROKEN else None, time.perf_counter() - began)


class _Program:
    """Linear constraints low <= rows @ variables <= high, where variables are bounded and some are whole."""

    def __init__(self, low, high, whole: bool):
        self.low, self.high = list(low), list(high)
        self.whole = [whole] * len(self.low)
        self.rows, self.least = [], []  # each row: {variable: coefficient}; each sum is at least that

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


@dataclass(frozen=True)
class _Units:
    """The units of a layer: factor * variable + shift each, or where `columns` is -1 the constant shift."""

    columns: np.ndarray
    factor: float
    shift: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def sum(self, weights) -> tuple[dict[int, float], float]:
        """A weighted sum of the units as coefficients of variables and a constant."""
        free = self.columns >= 0
        row = dict(zip(self.columns[free].tolist(), (self.factor * weights[free]).tolist(), strict=True))
        return row, float(weights @ self.shift)


def _program(layers, one_bit: bool, x, label: int, epsilon: float) -> _Program | None:
    """The program whose solutions are the images of another class; None where bounds show that there are none."""
    low, high = np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)
    if one_bit:
        low, high = (np.float64(bound >= BIT) for bound in (low, high))
    integer = one_bit and all(np.all(value == np.round(value)) for layer in layers for value in layer)
    gap = 1.0 if integer else GAP
    program = _Program(low, high, whole=one_bit)
    units = _Units(np.arange(len(x)), 1.0, np.zeros(len(x)), low, high)
    for kernel, bias in layers[:-1]:
        units = _hidden(program, kernel, bias, units, gap)
    return _output(program, *layers[-1], units, label, gap)


def _hidden(program, kernel, bias, units, gap) -> _Units:
    """Adds a layer of signs; each whose sum may have both is a variable, 2 sign - 1."""
    least, most = _interval(kernel, bias, units)
    columns, shift = np.full(len(bias), -1), np.where(least >= 0, 1.0, -1.0)
    for unit in np.flatnonzero((least < 0) & (most >= 0)):
        row, constant = units.sum(kernel[:, unit])
        constant += bias[unit]
        columns[unit] = sign = program.binary()
        program.at_least(row | {sign: least[unit]}, least[unit] - constant)  # sign = 1: the sum is at least 0
        reach = most[unit] + gap
        program.at_least({k: -v for k, v in row.items()} | {sign: reach}, constant + gap)  # sign = 0: at most -gap
    high = np.where(columns < 0, shift, 1.0)
    return _Units(columns, 2.0, shift, shift, high)


def _output(program, kernel, bias, units, label: int, gap: float) -> _Program | None:
    """Demands that some class beats the label; of equal logits the first counts, as in argmax."""
    chosen = {}
    for other in range(len(bias)):
        weights, constant = kernel[:, other] - kernel[:, label], bias[other] - bias[label]
        need = 0.0 if other < label else gap
        least, most = (float(bound[0]) for bound in _interval(weights[:, None], np.array([constant]), units))
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


def _interval(kernel, bias, units: _Units):
    """Bounds on kernel' units + bias."""
    low, high = units.low, units.high
    up, down = np.maximum(kernel, 0), np.minimum(kernel, 0)
    return low @ up + high @ down + bias, high @ up + low @ down + bias


def _highs(program: _Program, seconds: float):
    constraints = LinearConstraint(program.matrix(), lb=np.array(program.least))
    found = milp(
        np.zeros(len(program.low)),
        integrality=np.array(program.whole, int),
        bounds=Bounds(program.low, program.high),
        constraints=constraints,
        options={"time_limit": seconds},
    )
    return {0: BROKEN, 2: CERTIFIED}.get(found.status, UNKNOWN), found.x


def _cp_sat(program: _Program, seconds: float):
    bounds = ([int(value) for value in values] for values in (program.low, program.high))
    rows = [{i: round(value) for i, value in row.items()} for row in program.rows]
    status, values = cp_sat.solve(*bounds, rows, [round(value) for value in program.least], seconds)
    return status, None if values is None else np.float64(values)


def _image(values, one_bit, x, epsilon):
    """The image that a solution stands for, within the budget in float32."""
    values = values.reshape(x.shape)
    if one_bit:
        flipped = (values >= 0.5) != (x >= BIT)
        return np.where(flipped, np.where(values >= 0.5, BIT, np.nextafter(np.float32(BIT), np.float32(0))), x)
    return np.clip(values, np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)).astype("float32")


def _class(model, image) -> int:
    return int(np.argmax(np.asarray(model(image[None].astype("float32")))[0]))


def _read(model):
    """Whether inputs are one bit, and the kernel and bias of each layer, batch normalization folded in, in float64."""
    layers, one_bit = [], False
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            layers.append([np.float64(value) for value in layer.get_weights()])
        elif isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = map(np.float64, layer.get_weights())
            scale = gamma / np.sqrt(variance + layer.epsilon)
            kernel, bias = layers[-1]
            layers[-1] = [kernel * scale, (bias - mean) * scale + beta]
        elif isinstance(layer, QuantActivation):
            one_bit |= layer.name == "binary_input"
        elif not isinstance(
            layer, keras.layers.InputLayer | keras.layers.Flatten | keras.layers.Dropout | keras.layers.Rescaling
        ):
            raise ConfigError(
                f"attack=exact needs dense layers and binary activations, as of precision=binarynet, got {layer.name}"
            )
    return one_bit, layers
