"""proof.exact"""

import time
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np

from brnn.config.ranges import Epsilon, Positive
from brnn.proof import cp_sat
from brnn.proof.cp_sat import BROKEN, CERTIFIED, UNKNOWN
from brnn.proof.highs import solve_highs
from brnn.proof.program import Program, build_program
from brnn.proof.reading import BIT, read


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
    one_bit, layers = read(model)
    program = build_program(layers, one_bit, x.ravel().astype("float64"), label, epsilon)
    if program is None:
        return Verdict(CERTIFIED, None, time.perf_counter() - began)
    solve = {"highs": solve_highs, "cp_sat": _cp_sat}[solver]
    status, values = solve(program, seconds)
    image = None
    if status == BROKEN:
        image = _image(values[: x.size], one_bit, x, epsilon)
        status = status if _class(model, image) != label else UNKNOWN
    return Verdict(status, image if status == BROKEN else None, time.perf_counter() - began)


def _cp_sat(program: Program, seconds: float):
    bounds = ([int(value) for value in values] for values in (program.low, program.high))
    rows = [{i: round(value) for i, value in row.items()} for row in program.rows]
    status, values = cp_sat.solve(*bounds, rows, [round(value) for value in program.least], seconds)
    return status, None if values is None else np.float64(values)


def _image(values, one_bit, x, epsilon):
    """The image that a solution stands for, within the budget in float32."""
    values = values.reshape(x.shape)
    if one_bit:
        flipped = (values >= 0.5) != (x >= BIT)
        return np.where(
            flipped, np.where(values >= 0.5, BIT, np.nextafter(np.float32(BIT), np.float32(0))), x
        )
    return np.clip(values, np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)).astype("float32")


def _class(model, image) -> int:
    return int(np.argmax(np.asarray(model(image[None].astype("float32")))[0]))
