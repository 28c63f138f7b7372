"""A net whose images change within a budget, as whole numbers, for `attack=exact`."""

import math
import time
from dataclasses import replace

import keras
import numpy as np

from brnn.contracts import OnProgress
from brnn.data.pixels import LARGEST_BYTE
from brnn.errors import ConfigError, DataError
from brnn.proof import box, keras_reader
from brnn.proof.ball import Norm
from brnn.proof.decide import SAT, Options, Verdict, decide
from brnn.proof.minimal import smallest_change
from brnn.proof.vnnlib import Property, other_class, property_near

TOLERANCE = np.float32(1e-6)  # of pixels, in which budgets like 26/255 are rounded


class AttackedNet:
    """A net, and itself as whole numbers, whose pixels are grey levels or in [0, 1].

    Args:
        model: the net.
        norm: of budgets.
        whole: whether pixels are grey levels.

    Raises:
        ConfigError: the net is not supported.
    """

    def __init__(self, model: keras.Model, norm: Norm, whole: bool):
        if not isinstance(model, keras.Model):
            raise ConfigError(f"attack=exact needs a Keras model, got {type(model).__name__}")
        self.norm, self.whole = norm, whole
        self.largest = LARGEST_BYTE if whole else 1
        try:
            self.model = keras_reader.of_logits(model)
            self.net = keras_reader.read(self.model, self.largest, whole, self.largest)
        except DataError as error:
            raise ConfigError(f"attack=exact: {error}") from error

    def verdict(
        self,
        x: np.ndarray,
        label: int,
        epsilon: float,
        example: np.ndarray,
        options: Options,
        on_progress: OnProgress,
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
        return decide(self.net, given, self.logits, options, on_progress)

    def smallest(
        self,
        x: np.ndarray,
        label: int,
        epsilon: float,
        example: np.ndarray,
        options: Options,
        on_progress: OnProgress,
    ) -> Verdict:
        """Return the verdict with the smallest budget, in the unit of `epsilon`."""
        center = self._of_net(x)
        if self._property(x, label, epsilon).holds(self.logits(center[None])).any():
            return Verdict(SAT, 0.0, {}, center, radius=(0.0, 0.0), proved=True)
        unit = 1.0 if self.norm == "l0" else 1 / self.largest

        def within(radius: float, limited: Options) -> Verdict:
            return self.verdict(x, label, radius * unit, example, limited, on_progress)

        start, largest = epsilon / unit, float(self.largest)
        verdict = smallest_change(within, center.ravel(), self.norm, largest, start, options)
        low, high = verdict.radius or (0.0, math.inf)
        return replace(verdict, radius=(low * unit, high * unit))

    def open_units(self, x: np.ndarray, epsilon: float) -> int:
        """Return how many units interval bounds leave open for an image (*d) within a budget."""
        given = self._property(x, 0, epsilon)
        return box.open_units(self.net, *given.box(self.whole), given.ball)

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
        levels = np.rint(x * LARGEST_BYTE).astype("float32")
        if not np.array_equal(self.pixels(levels), x):
            raise ConfigError("attack.pixels=whole needs images of bytes; use real")
        return levels

    def _property(self, x: np.ndarray, label: int, epsilon: float) -> Property:
        """Return the property that an image within a budget has another class."""
        cases = other_class(label, len(self.net.last.shift), first_wins=True)
        center = self._of_net(x).astype("float64").ravel()
        if self.norm == "l0":
            return property_near(center, "l0", epsilon, self.largest, cases)
        if self.norm != "linf":
            radius = (epsilon + float(TOLERANCE)) * self.largest
            return property_near(center, self.norm, radius, self.largest, cases)
        low = np.maximum(x - np.float32(epsilon), np.float32(0)).ravel()
        high = np.minimum(x + np.float32(epsilon), np.float32(1)).ravel()
        if self.whole:
            grey = np.arange(LARGEST_BYTE + 1, dtype="float32") * np.float32(1 / LARGEST_BYTE)
            low = np.searchsorted(grey, low - TOLERANCE)
            high = np.searchsorted(grey, high + TOLERANCE, "right") - 1
        outputs = len(self.net.last.shift)
        return Property(low.astype("float64"), high.astype("float64"), cases, outputs)
