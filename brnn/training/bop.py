"""Bop: optimizers of binary weights without latent weights."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from brnn.contracts import Array

SMALLEST = 1e-10  # so that nothing is divided by 0


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
        signal = self.signal(index, gradient)
        flips = (ops.abs(signal) > self.threshold) & ((signal > 0) == (variable >= 0))
        self.assign(variable, ops.where(flips, -variable, variable))

    def signal(self, index: int, gradient: Array) -> Array:
        """Update what is known of the gradient of a variable, and return m."""
        mean = self.means[index]
        self.assign_add(mean, self.gamma * (gradient - mean))
        return mean

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        arguments = {"binary": self.binary, "gamma": self.gamma, "threshold": self.threshold}
        return super().get_config() | arguments


class Bop2ndOrder(Bop):
    """Flip as `Bop` does, by the mean gradient relative to the size of the gradient.

        v <- v + sigma (g^2 - v);  m / (sqrt v + 1e-10) in place of m

    Args:
        sigma: share of the new square in the mean square, in (0, 1].
        corrected: whether m is divided by 1 - (1 - gamma)^t and v by 1 - (1 - sigma)^t in step t,
            so that they are means from the first step on.
        **kwargs: those of `Bop`.

    References:
        Suarez-Ramirez et al. 2021, arXiv:2104.05124.
    """

    def __init__(self, *, sigma: float, corrected: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self.sigma = sigma
        self.corrected = corrected

    def build(self, variables: list) -> None:
        """Create the state of Bop, and the mean square of each variable."""
        if not self.built:
            super().build(variables)
            self.squares = self.add_optimizer_variables(variables, "mean_square")

    def signal(self, index: int, gradient: Array) -> Array:
        """Update both means, and return the first relative to the root of the second."""
        mean, square = super().signal(index, gradient), self.squares[index]
        self.assign_add(square, self.sigma * (ops.square(gradient) - square))
        if self.corrected:
            step = ops.cast(self.iterations + 1, gradient.dtype)
            mean = mean / _seen(self.gamma, step)
            square = square / _seen(self.sigma, step)
        return mean / (ops.sqrt(square) + SMALLEST)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return super().get_config() | {"sigma": self.sigma, "corrected": self.corrected}


def _seen(share: float, step: Array) -> Array:
    """Return 1 - (1 - share)^step, without cancellation in float32."""
    return -ops.expm1(step * math.log1p(-share)) if share < 1 else ops.ones_like(step)
