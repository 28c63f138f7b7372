"""The only special layer: an activation whose backward pass is an estimator."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

from brnn.contracts import Array, Estimator, Quantizer

Calls = list[tuple["QuantActivation", Array]]

AROUND_ZERO = np.array([-2, -1e-3, 0, 1e-3, 2], "float32")

_recorded: ContextVar[Calls | None] = ContextVar("recorded", default=None)


def record_calls(function: Callable[..., Any], *args: Any) -> tuple[Any, Calls]:
    """Call a function and record each call of a quantized activation during it.

    Returns:
        result: that of `function(*args)`.
        calls: pairs of an activation and its input, in the order of the calls.
    """
    calls: Calls = []
    token = _recorded.set(calls)
    try:
        return function(*args), calls
    finally:
        _recorded.reset(token)


class QuantActivation(keras.layers.Layer):
    """`quantizer(x, noise)` forward, `estimator(x, upstream, fan_in)` backward.

    A stochastic quantizer draws in training only.

    Args:
        quantizer: applied to each input.
        estimator: returns the gradient with respect to the input.
        fan_in: number of products in each sum that is an element of the input.
        **kwargs: those of `keras.layers.Layer`.
    """

    def __init__(self, quantizer: Quantizer, estimator: Estimator, fan_in: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.quantizer = quantizer
        self.estimator = estimator
        self.fan_in = fan_in
        self.seed = keras.random.SeedGenerator()

    def call(self, x: Array, training: bool | None = None) -> Array:
        """Return the levels of `x`, of the same shape."""
        noise = self._noise if training else None
        if (calls := _recorded.get()) is not None:
            calls.append((self, x))

        @ops.custom_gradient
        def forward(x: Array) -> tuple[Array, Callable[..., Array]]:
            def backward(*args: Array, upstream: Array | None = None) -> Array:
                gradient = args[0] if upstream is None else upstream  # backends differ here
                return self.estimator(x, gradient, self.fan_in)

            return self.quantizer(x, noise), backward

        return forward(x)

    def _noise(self, shape: Any) -> Array:
        return keras.random.uniform(shape, seed=self.seed)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape


def sign_level(quantizer: Quantizer) -> float | None:
    """Return s where a quantizer gives -s below 0 and +s from 0 on, else None."""
    levels = np.asarray(quantizer(AROUND_ZERO, None))
    level = float(levels[-1])
    return level if level > 0 and np.array_equal(levels / level, [-1, -1, 1, 1, 1]) else None
