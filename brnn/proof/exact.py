"""The option `attack=exact`: whether any image within the budget changes the class."""

import time
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np

from brnn.config.ranges import Epsilon, Positive
from brnn.proof import worker
from brnn.proof.cp_sat import BROKEN, CERTIFIED, UNKNOWN
from brnn.proof.program import EITHER, SURE, Program, build_program
from brnn.proof.reading import BIT, read

LEAST_SECONDS = 0.01  # that a solver is given


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
    solver returns is checked on the net. Where it does not hold, since sums near 0 have another
    sign in float32 than in the program, the solver looks for an image without such sums; if there
    is none, the verdict is `unknown`.

    `certified` holds for the net in float32: a sum within the bound of its rounding counts with
    either sign. It is a proof with `cp_sat`, which computes in whole numbers, and needs one-bit
    inputs and weights that are multiples of one number. With `highs` constraints may be off by a
    1e-6 of the largest weight of a unit.

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
    broken = next((i for i in (x, example) if i is not None and _class(model, i) != label), None)
    if broken is None:
        status, broken = _decided(model, x, label, epsilon, solver, began + seconds)
    else:
        status = BROKEN
    return Verdict(status, broken, time.perf_counter() - began)


def _decided(
    model: keras.Model, x: np.ndarray, label: int, epsilon: float, solver: str, until: float
) -> tuple[str, np.ndarray | None]:
    """Return the status of an image by bounds or a solver, and an image that breaks it."""
    one_bit, layers = read(model)
    pixels = x.ravel().astype("float64")
    for rounding in (EITHER, SURE):
        program = build_program(layers, one_bit, pixels, label, epsilon, rounding)
        if program is None:
            return (CERTIFIED if rounding == EITHER else UNKNOWN), None
        status, values = _solved(program, solver, until)
        if values is None:
            return (status if rounding == EITHER else UNKNOWN), None
        image = _image(values[: x.size], one_bit, x, epsilon)
        if _class(model, image) != label:
            return BROKEN, image
        if not program.rounds:
            break
    return UNKNOWN, None


def _solved(program: Program, solver: str, until: float) -> tuple[str, np.ndarray | None]:
    """Return a status, and values of the variables if there is a solution."""
    seconds = max(until - time.perf_counter(), LEAST_SECONDS)
    if solver == "highs":
        arguments = (program.low, program.high, program.whole, *program.matrix(), seconds)
        return worker.solve(solver, *arguments)
    low, high = ([int(value) for value in bounds] for bounds in (program.low, program.high))
    status, values = worker.solve(solver, low, high, program.whole_rows(), seconds)
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
