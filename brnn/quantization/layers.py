"""The one special layer: an activation whose backward pass is an estimator."""

from collections.abc import Callable
from contextvars import ContextVar

import keras
from keras import ops

_calls: ContextVar[list | None] = ContextVar("calls", default=None)  # which `recorded` collects


def recorded(function: Callable, *arguments) -> tuple:
    """The result of `function(*arguments)`, and a pair for each call of a quantized activation.

    The pairs are activations and their inputs, in the order of the calls.
    """
    calls = []
    token = _calls.set(calls)
    try:
        return function(*arguments), calls
    finally:
        _calls.reset(token)


class QuantActivation(keras.layers.Layer):
    """`quantizer(x, noise)` forward, `estimator(x, upstream, fan_in)` backward.

    `fan_in` is that of the layer that produced `x`. Stochastic quantizers draw in training only.
    """

    def __init__(self, quantizer: Callable, estimator: Callable, fan_in: int, **kwargs):
        super().__init__(**kwargs)
        self.quantizer = quantizer
        self.estimator = estimator
        self.fan_in = fan_in
        self.seed = keras.random.SeedGenerator()

    def call(self, x, training=None):
        """The levels of `x`, of the same shape."""
        noise = self._noise if training else None
        if (calls := _calls.get()) is not None:
            calls.append((self, x))

        @ops.custom_gradient
        def forward(x):
            def backward(*args, upstream=None):
                return self.estimator(x, args[0] if upstream is None else upstream, self.fan_in)

            return self.quantizer(x, noise), backward

        return forward(x)

    def _noise(self, shape):
        return keras.random.uniform(shape, seed=self.seed)

    def compute_output_shape(self, input_shape):
        """The shape of the input."""
        return input_shape
