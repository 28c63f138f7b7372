"""The option `attack=exact`: whether any image within the budget changes the class."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import keras
import numpy as np

from brnn.config.ranges import Positive
from brnn.contracts import OnProgress
from brnn.proof.attacked import AttackedNet
from brnn.proof.decide import Options, Verdict


def exact(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    examples: np.ndarray,
    on_progress: OnProgress,
    *,
    epsilon: Positive,
    norm: Literal["linf", "l0", "l1", "l2"],
    pixels: Literal["real", "whole"],
    solver: Literal["highs", "cp_sat"],
    minimal: bool,
    seconds: Positive,
) -> Iterator[Verdict]:
    """Decide for each image whether any one in [0, 1] within `epsilon` has another class.

    The image itself and the example are tried first, then what `brnn.proof.decide` lists. The first
    of equal logits counts, as in argmax.

    `unsat` holds for the net in float32, in whatever order it adds: a sum within the bound of its
    rounding counts with either sign. The budget is that of attacks, as float32 computes it.

    Args:
        model: the net.
        images: (n, *d), pixels in [0, 1].
        labels: their classes (n,).
        examples: images (n, *d) that may break them, such as the results of an attack.
        on_progress: called with what is being done, and the share of an image's rivals that are
            excluded.
        epsilon: the budget; in L0 a number of pixels.
        norm: of the budget.
        pixels: `real` for all values, or `whole` for grey levels, multiples of 1/255.
        solver: of the integer programs: `highs`, or `cp_sat` of OR-Tools.
        minimal: whether to look for the smallest budget that has a counterexample.
        seconds: time limit of an image.

    Yields:
        The verdict of each image; the witness has pixels in [0, 1].

    Raises:
        ConfigError: the net has layers that are not supported, or an image has other pixels than
            grey levels.
        SolverError: the solver refuses a program, or its process has ended.

    References:
        Tjeng, Xiao and Tedrake 2019, arXiv:1711.07356; of binarized nets Khalil, Gupta and Dilkina
        2019, arXiv:1810.03538.
    """
    options = Options(pixels == "whole", exactly=False, solver=solver, seconds=seconds)
    net = AttackedNet(model, norm, options.whole)
    for x, label, example in zip(images, labels, examples, strict=True):
        decide_image = net.smallest if minimal else net.verdict
        verdict = decide_image(x, int(label), epsilon, example, options, on_progress)
        if verdict.witness is not None:
            verdict = replace(verdict, witness=net.pixels(verdict.witness))
        yield verdict
