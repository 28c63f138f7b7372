"""The test images that are attacked."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from brnn.data.pixels import to_pixels

PREDICTED_BATCH = 2500  # larger, since it runs op by op


@dataclass(frozen=True)
class Attacked:
    """The test images that are attacked (float32, pixels in [0, 1]), their labels, and a wrong target for each.

    `classes` are those that the discretized net gives to them.
    """

    images: np.ndarray
    labels: np.ndarray
    targets: np.ndarray
    classes: np.ndarray

    def __post_init__(self):
        if (same := self.labels == self.targets).any():
            raise ValueError(
                f"a target must differ from the label, got {self.labels[same][0]} for both"
            )

    def of(self, rows: np.ndarray) -> "Attacked":
        """Some of the images."""
        return Attacked(*(getattr(self, one.name)[rows] for one in fields(self)))


def choose(net: Callable, data, seed: int, images: int, choice: str, target) -> Attacked:
    """`images` of the test set, the first or random ones, with targets drawn uniformly from the wrong classes.

    A `target` that is a number is that of all, and images of that class are left out.
    """
    x, y = data.test
    if target != "random":
        x, y = x[y != target], y[y != target]
    rows = (
        np.arange(len(y))
        if choice == "first"
        else np.random.default_rng([seed, 3]).permutation(len(y))
    )
    x, y = np.asarray(to_pixels(x[rows[:images]])), y[rows[:images]]
    shift = np.random.default_rng([seed, 1]).integers(1, data.classes, len(y))
    targets = (y + shift) % data.classes if target == "random" else np.full(len(y), target)
    return Attacked(x, y, targets.astype(y.dtype), predicted(net, x))


def predicted(net: Callable, x: np.ndarray) -> np.ndarray:
    """The classes that a net gives to `x`."""
    logits = [
        np.asarray(net(x[start : start + PREDICTED_BATCH]))
        for start in range(0, len(x), PREDICTED_BATCH)
    ]
    return np.concatenate(logits).argmax(axis=-1)
