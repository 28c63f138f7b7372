"""The option `attack=exact`: whether any image within the budget changes the class."""

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import keras
import numpy as np

from brnn.config.ranges import Positive
from brnn.contracts import OnProgress
from brnn.data.pixels import LEVELS
from brnn.errors import ConfigError, DataError
from brnn.proof import keras_reader
from brnn.proof.ball import Norm
from brnn.proof.decide import SAT, Options, Verdict, decide
from brnn.proof.minimal import smallest_change
from brnn.proof.vnnlib import Property, near, other_class

TOLERANCE = np.float32(1e-6)  # of pixels, in which budgets like 26/255 are rounded


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

    References:
        Tjeng, Xiao and Tedrake 2019, arXiv:1711.07356; of binarized nets Khalil, Gupta and Dilkina
        2019, arXiv:1810.03538.
    """
    options = Options(pixels == "whole", exactly=False, solver=solver, seconds=seconds)
    subject = _Subject(model, norm, options.whole, on_progress)
    for x, label, example in zip(images, labels, examples, strict=True):
        decide_image = subject.smallest if minimal else subject.verdict
        verdict = decide_image(x, int(label), epsilon, example, options)
        if verdict.witness is not None:
            verdict = replace(verdict, witness=subject.pixels(verdict.witness))
        yield verdict


class _Subject:
    """A net, and itself as whole numbers, whose pixels are grey levels or in [0, 1].

    Args:
        model: the net.
        norm: of budgets.
        whole: whether pixels are grey levels.
        on_progress: called with what is being done.

    Raises:
        ConfigError: the net is not supported.
    """

    def __init__(self, model: keras.Model, norm: Norm, whole: bool, on_progress: OnProgress):
        if not isinstance(model, keras.Model):
            raise ConfigError(f"attack=exact needs a Keras model, got {type(model).__name__}")
        self.norm, self.whole, self.on_progress = norm, whole, on_progress
        self.largest = LEVELS if whole else 1
        try:
            self.model = keras_reader.of_logits(model)
            self.net = keras_reader.read(self.model, self.largest, whole, self.largest)
        except DataError as error:
            raise ConfigError(f"attack=exact: {error}") from error

    def verdict(
        self, x: np.ndarray, label: int, epsilon: float, example: np.ndarray, options: Options
    ) -> Verdict:
        """Return the verdict of an image (*d) within a budget; its witness has the net's pixels."""
        began = time.perf_counter()
        given = self._property(x, label, epsilon)
        tried = np.stack([self._of_net(x), self._of_net(example)])
        flat = tried.reshape(2, -1)
        inside = ((flat >= given.low) & (flat <= given.high)).all(axis=1)
        inside &= given.ball.contains(flat) if given.ball else True
        broken = inside & given.holds(self.logits(tried))
        if broken.any():
            return Verdict(SAT, time.perf_counter() - began, {}, tried[broken.argmax()])
        return decide(self.net, given, self.logits, options, self.on_progress)

    def smallest(
        self, x: np.ndarray, label: int, epsilon: float, example: np.ndarray, options: Options
    ) -> Verdict:
        """Return the verdict with the smallest budget, in the unit of `epsilon`."""
        center = self._of_net(x)
        if self._property(x, label, epsilon).holds(self.logits(center[None])).any():
            return Verdict(SAT, 0.0, {}, center, radius=(0.0, 0.0), proved=True)
        unit = 1.0 if self.norm == "l0" else 1 / self.largest

        def within(radius: float, limited: Options) -> Verdict:
            return self.verdict(x, label, radius * unit, example, limited)

        start, largest = epsilon / unit, float(self.largest)
        verdict = smallest_change(within, center.ravel(), self.norm, largest, start, options)
        low, high = verdict.radius or (0.0, math.inf)
        return replace(verdict, radius=(low * unit, high * unit))

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of the net, in float32."""
        return np.asarray(self.model(self.pixels(images)))

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """Return images of the integer net with pixels in [0, 1]."""
        return images.astype("float32") * np.float32(1 / self.largest)

    def _of_net(self, x: np.ndarray) -> np.ndarray:
        """Return an image with the pixels of the integer net.

        Raises:
            ConfigError: it has other pixels than grey levels, where these are whole.
        """
        if not self.whole:
            return x
        levels = np.rint(x * LEVELS).astype("float32")
        if not np.array_equal(self.pixels(levels), x):
            raise ConfigError("attack.pixels=whole needs images of bytes; use real")
        return levels

    def _property(self, x: np.ndarray, label: int, epsilon: float) -> Property:
        """Return the property that an image within a budget has another class."""
        cases = other_class(label, len(self.net.last.shift), first_wins=True)
        center = self._of_net(x).astype("float64").ravel()
        if self.norm == "l0":
            return near(center, "l0", epsilon, self.largest, cases)
        if self.norm != "linf":
            radius = (epsilon + float(TOLERANCE)) * self.largest
            return near(center, self.norm, radius, self.largest, cases)
        low = np.maximum(x - np.float32(epsilon), np.float32(0)).ravel()
        high = np.minimum(x + np.float32(epsilon), np.float32(1)).ravel()
        if self.whole:
            grey = np.arange(LEVELS + 1, dtype="float32") * np.float32(1 / LEVELS)
            low = np.searchsorted(grey, low - TOLERANCE)
            high = np.searchsorted(grey, high + TOLERANCE, "right") - 1
        outputs = len(self.net.last.shift)
        return Property(low.astype("float64"), high.astype("float64"), cases, outputs)
