"""Updates: what a step does besides the optimizer of Keras."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from brnn.contracts import Array


@dataclass(frozen=True)
class Updates:
    """What a step does before and after the optimizer.

    Attributes:
        averaging: momentum of the moving averages of all that training changes, whose levels are
            what the net computes with in evaluation; None for no averages.
        centralized: whether gradients are centralized.
    """

    averaging: float | None = None
    centralized: bool = False

    def before(self, gradients: Sequence[Array | None]) -> list[Array | None]:
        """Return the gradients that the optimizer gets."""
        return [centralized(g) for g in gradients] if self.centralized else list(gradients)

    def averages(self, variables: Sequence[keras.Variable]) -> list[keras.Variable]:
        """Return new averages of the variables, which begin at their values; none if not wanted."""
        averaged = [] if self.averaging is None else variables
        return [keras.Variable(v, name=f"{v.name}_average") for v in averaged]

    def after(
        self, averages: Sequence[keras.Variable], variables: Sequence[keras.Variable]
    ) -> None:
        """Move averages towards the variables, by 1 - `averaging` of their distance."""
        if self.averaging is not None:
            for average, variable in zip(averages, variables, strict=True):
                average.assign(average + (1 - self.averaging) * (variable - average))


NONE = Updates()


def centralized(gradient: Array | None) -> Array | None:
    """Return the gradient of a kernel minus its mean over all axes but the last; others unchanged.

    References:
        Yong et al. 2020, arXiv:2004.01461 (gradient centralization).
    """
    if gradient is None or len(gradient.shape) < 2:
        return gradient
    axes = list(range(len(gradient.shape) - 1))
    return gradient - tf.reduce_mean(gradient, axes, keepdims=True)
