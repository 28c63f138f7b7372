"""The option `attack=exact`: whether any image within the budget changes the class."""

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
    """What is known of one image.

    Args:
        status: `broken`, `certified` or `unknown`.
        image: one that breaks it, if it is broken.
        seconds: that the verdict took.
    """

    status: str
    image: np.ndarray | None
    seconds: float


def exact(
    model: keras.Model,
    x: np.ndarray,
    label: int,
    example: np.ndarray | None,
    *,
    epsilon: Epsilon,
    solver: Literal["highs", "cp_sat"],
    seconds: Positive,
) -> Verdict:
    """Decide whether any image in [0, 1] within L-inf `epsilon` of `x` has another class.

    Tried in this order: the image itself and the example, interval bounds, the solver. What the
    solver returns is checked on the net; if it does not hold, the verdict is `unknown`.

    `certified` is a proof with `cp_sat`, which computes in whole numbers, and needs one-bit inputs
    and integer weights. With `highs` it holds up to tolerances: constraints may be off by 1e-6, and
    where pixels are grey or batch normalization is folded in, sums between -1e-4 and 0 are left out
    and those of the net itself are rounded to float32.

    Args:
        model: the net, of dense layers and activations of -1 and +1.
        x: the image (*d), pixels in [0, 1].
        label: its class.
        example: an image that may break it, such as the result of an attack.
        epsilon: the budget.
        solver: `highs` of SciPy or `cp_sat` of OR-Tools.
        seconds: time limit of the solver.

    Raises:
        ConfigError: the net has other layers.

    References:
        Tjeng, Xiao and Tedrake 2019, arXiv:1711.07356; of binarized nets Khalil, Gupta and Dilkina
        2019, arXiv:1810.03538.
    """
    began = time.perf_counter()
    for image in (x, example):
        if image is not None and _class(model, image) != label:
            return Verdict(BROKEN, image, time.perf_counter() - began)
    one_bit, layers = read(model)
    program = build_program(layers, one_bit, x.ravel().astype("float64"), label, epsilon)
    if program is None:
        return Verdict(CERTIFIED, None, time.perf_counter() - began)
    solve = {"highs": solve_highs, "cp_sat": _solve_cp_sat}[solver]
    status, values = solve(program, seconds)
    image = None
    if status == BROKEN and values is not None:
        image = _image(values[: x.size], one_bit, x, epsilon)
        if _class(model, image) == label:
            status, image = UNKNOWN, None
    return Verdict(status, image, time.perf_counter() - began)


def _solve_cp_sat(program: Program, seconds: float) -> tuple[str, np.ndarray | None]:
    low, high = ([int(value) for value in bounds] for bounds in (program.low, program.high))
    rows = [{i: round(value) for i, value in row.items()} for row in program.rows]
    least = [round(value) for value in program.least]
    status, values = cp_sat.solve(low, high, rows, least, seconds)
    return status, None if values is None else np.array(values, "float64")


def _image(values: np.ndarray, one_bit: bool, x: np.ndarray, epsilon: float) -> np.ndarray:
    """Return the image that a solution stands for, within the budget in float32."""
    values = values.reshape(x.shape)
    if not one_bit:
        return np.clip(values, np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)).astype(
            "float32"
        )
    below = np.nextafter(np.float32(BIT), np.float32(0))
    ones = values >= 0.5
    return np.where(ones != (x >= BIT), np.where(ones, BIT, below), x)


def _class(model: keras.Model, image: np.ndarray) -> int:
    return int(np.argmax(np.asarray(model(image[None].astype("float32")))[0]))
