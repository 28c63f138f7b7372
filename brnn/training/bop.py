"""Bop: an optimizer of binary weights without latent weights."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from brnn.contracts import Array


class Bop(keras.optimizers.Adam):
    """Flip a binary weight w where the mean gradient m is large and would lower the loss so.

        m <- m + gamma (g - m);  w <- -w where |m| > threshold and sign m = sign w

    The sign of a variable is its weight; its size has no effect. All variables that are not binary
    are trained by Adam.

    Args:
        binary: paths of the binary variables, whose levels are ± a scale.
        gamma: share of the new gradient in the mean, in (0, 1].
        threshold: least size of the mean at which a weight flips.
        **kwargs: those of `keras.optimizers.Adam`.

    References:
        Helwegen et al. 2019, arXiv:1906.02107.
    """

    def __init__(self, *, binary: Sequence[str], gamma: float, threshold: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.binary = list(binary)
        self.gamma = gamma
        self.threshold = threshold

    def build(self, variables: list) -> None:
        """Create Adam's state, and the mean gradient of each variable."""
        if not self.built:
            super().build(variables)
            self.means = self.add_optimizer_variables(variables, "mean_gradient")
            self.is_binary = [variable.path in self.binary for variable in variables]

    def update_step(self, gradient: Array, variable: Any, learning_rate: Array) -> None:
        """Flip the weights of a binary variable, or change another one as Adam does."""
        index = self._get_variable_index(variable)
        if not self.is_binary[index]:
            super().update_step(gradient, variable, learning_rate)
            return
        mean = self.means[index]
        self.assign_add(mean, self.gamma * (gradient - mean))
        flips = (ops.abs(mean) > self.threshold) & ((mean > 0) == (variable >= 0))
        self.assign(variable, ops.where(flips, -variable, variable))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        own = {"binary": self.binary, "gamma": self.gamma, "threshold": self.threshold}
        return super().get_config() | own
