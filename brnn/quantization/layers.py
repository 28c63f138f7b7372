"""The only special layer: an activation whose backward pass is an estimator."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

from brnn.contracts import Array, Estimator, Quantizer
from brnn.quantization.annealing import partly, step_value

Calls = list[tuple["QuantActivation", Array]]

MOST_LEVELS = 16
SIZES = np.logspace(-6, 6, 1000, dtype="float32")
PROBES = np.concatenate([-SIZES[::-1], np.zeros(1, "float32"), SIZES])
LARGEST_ORDER = int(np.float32(np.finfo("float32").max).view("int32"))
LARGEST_DRAW = 1 << 24  # whole numbers below it are exact in float32

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

    A stochastic quantizer draws in training only. In a step of the training with values
    `discretized/activations`, only a random part of the input is quantized, and the rest is clipped
    to the largest level.

    Args:
        quantizer: applied to each input.
        estimator: returns the gradient with respect to the input.
        fan_in: number of products in each sum that is an element of the input.
        position: the index of its share in `discretized/activations`; None: it has none.
        **kwargs: those of `keras.layers.Layer`.
    """

    def __init__(
        self,
        quantizer: Quantizer,
        estimator: Estimator,
        fan_in: int,
        position: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.quantizer = quantizer
        self.estimator = estimator
        self.fan_in = fan_in
        self.position = position
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

        shares = step_value("discretized/activations", None)
        if shares is None or self.position is None:
            return forward(x)
        largest = ops.max(ops.abs(self.quantizer(ops.convert_to_tensor(PROBES), None)))
        real = ops.clip(x, -largest, largest)
        return partly(forward(x), real, shares[self.position], step_value("noise", self._noise))

    def _noise(self, shape: Any) -> Array:
        """Return uniform values from whole numbers, which XLA and graph mode draw alike."""
        draws = keras.random.randint(shape, 0, LARGEST_DRAW, seed=self.seed)
        return ops.cast(draws, "float32") / LARGEST_DRAW

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape


def levels_of(quantizer: Quantizer) -> list[float] | None:
    """Return the levels of a quantizer, ascending.

    None if it is not a rising step function of each element, or has more than `MOST_LEVELS`.
    """
    outputs = np.asarray(quantizer(PROBES, None))
    levels = np.unique(outputs) + 0.0  # no -0, which some processors sort first
    alone = np.asarray(quantizer(PROBES[-1:], None))  # differs where a scale follows all inputs
    if len(levels) > MOST_LEVELS or (np.diff(outputs) < 0).any() or alone != outputs[-1]:
        return None
    return levels.tolist()


def step_function(quantizer: Quantizer) -> tuple[list[float], list[float]] | None:
    """Return a quantizer as steps: `levels[i]` where x reaches `i` of the numbers `at`.

    Returns:
        at: ascending; the smallest float32 that gives each level but the first.
        levels: ascending. Both are missing (None) where `levels_of` is None.
    """
    levels = levels_of(quantizer)
    if levels is None:
        return None
    low, high = (np.full(len(levels) - 1, end) for end in (-LARGEST_ORDER, LARGEST_ORDER))
    while (low < high).any():
        middle = (low + high) // 2
        reached = np.asarray(quantizer(_float_of(middle), None)) >= np.array(levels[1:], "float32")
        low, high = np.where(reached, low, middle + 1), np.where(reached, middle, high)
    return _float_of(high).tolist(), levels


def reads_signs(quantizer: Quantizer) -> bool:
    """Return whether a quantizer has one step, from 0 on, and does not draw in training."""
    drawn = False

    def noise(shape: Any) -> np.ndarray:
        nonlocal drawn
        drawn = True
        return np.full(shape, 0.5, "float32")

    steps = step_function(lambda x, _: quantizer(x, noise))
    return steps is not None and steps[0] == [0.0] and not drawn


def _float_of(order: np.ndarray) -> np.ndarray:
    """Return the float32 at some positions in the order of all float32, with 0 at position 0."""
    sizes = np.abs(order).astype("int32").view("float32")
    return np.where(order < 0, -sizes, sizes)
