"""The images that are attacked."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from brnn.contracts import Array
from brnn.data.pixels import to_pixels
from brnn.errors import ConfigError

PREDICTED_BATCH = 2500  # larger than that of attacks, since it runs op by op


@dataclass(frozen=True)
class Samples:
    """The images that are attacked, with their labels, a wrong target for each, and predictions.

    Args:
        images: pixels (n, *d) in [0, 1], float32.
        labels: classes (n,).
        targets: a wrong class for each image (n,), which a targeted attack is to reach.
        predictions: the classes (n,) that the net gives to the clean images.

    Raises:
        ConfigError: a target is the label.
    """

    images: np.ndarray
    labels: np.ndarray
    targets: np.ndarray
    predictions: np.ndarray

    def __post_init__(self) -> None:
        if (same := self.labels == self.targets).any():
            raise ConfigError(
                f"a target must differ from the label, got {self.labels[same][0]} for both"
            )

    def take(self, rows: np.ndarray) -> "Samples":
        """Return some of the images."""
        return Samples(*(getattr(self, field.name)[rows] for field in fields(self)))


def choose(
    net: Callable[[Array], Array],
    test: tuple[np.ndarray, np.ndarray],
    classes: int,
    seed: int,
    *,
    images: int,
    choice: Literal["first", "random"],
    target: Literal["random"] | int,
) -> Samples:
    """Return images of a test set.

    Args:
        net: images to logits; for the predictions.
        test: inputs (n, *d), in [0, 1] or bytes, and classes (n,).
        classes: their number.
        seed: decides random images and targets.
        images: how many at most.
        choice: the first or random ones.
        target: `random` for targets drawn uniformly from the wrong classes, or a class for all,
            whose own images are left out.
    """
    x, y = test
    if target != "random":
        x, y = x[y != target], y[y != target]
    rows = np.arange(len(y))
    if choice == "random":
        rows = np.random.default_rng([seed, 3]).permutation(len(y))
    x, y = np.asarray(to_pixels(x[rows[:images]])), y[rows[:images]]
    shift = np.random.default_rng([seed, 1]).integers(1, classes, len(y))
    targets = (y + shift) % classes if target == "random" else np.full(len(y), target)
    return Samples(x, y, targets.astype(y.dtype), predicted(net, x))


def predicted(net: Callable[[Array], Array], x: np.ndarray) -> np.ndarray:
    """Return the classes (n,) that a net gives to `x`."""
    logits = [
        np.asarray(net(x[start : start + PREDICTED_BATCH]))
        for start in range(0, len(x), PREDICTED_BATCH)
    ]
    return np.concatenate(logits).argmax(axis=-1)
