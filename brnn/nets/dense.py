"""Dense nets.

A topology maps a `Task` and `activate(name, fan_in)`, which gives the hidden activation that the
precision wants (the real one called `name` where it wants none), to an untrained Keras model from
inputs to logits. Layers named `real_*` are not discretized.
"""

import keras
from keras import ops

from brnn.config.ranges import Count, Natural, ProperShare
from brnn.contracts import Activate
from brnn.nets.task import Task
from brnn.quantization import estimators
from brnn.quantization.layers import QuantActivation

BATCH_NORMALIZATION_MOMENTUM = 0.9  # as in BinaryNet; Keras' 0.99 lags behind weights that flip


def dense(
    task: Task,
    activate: Activate,
    *,
    first_width: Count | None,
    width: Count,
    depth: Natural,
    activation: str,
    batch_normalization: bool,
    dropout: ProperShare,
    real_first: bool,
    real_last: bool,
    binary_input: bool,
) -> keras.Model:
    """Return a net of dense layers: inputs (n, *task.shape), flattened, to logits (n, classes).

    Args:
        task: the shape of one input and the number of classes.
        activate: gives the hidden activations.
        first_width: units of the first hidden layer; None for `width`.
        width: units of each other hidden layer.
        depth: hidden layers; 0 leaves the output layer alone.
        activation: of real-valued hidden units, by its name in Keras.
        batch_normalization: normalize after every dense layer, the output layer included.
        dropout: share of hidden units that a training step leaves out.
        real_first: keep the first layer real-valued.
        real_last: keep the output layer real-valued.
        binary_input: round inputs to 0 or 1; gradients pass unchanged.
    """
    x = inputs = keras.Input(task.shape)
    if binary_input:
        x = _one_bit(x)
    x = keras.layers.Flatten()(x)
    fan_in = x.shape[-1]
    widths = [first_width or width, *[width] * (depth - 1)] if depth else []
    for number, units in enumerate(widths):
        name = "real_first" if real_first and number == 0 else f"hidden_{number}"
        x = keras.layers.Dense(units, name=name)(x)
        if batch_normalization:
            x = _normalized(x, f"normalization_{number}")
        x = activate(activation, fan_in)(x)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
        fan_in = units
    x = keras.layers.Dense(task.classes, name="real_logits" if real_last else "logits")(x)
    if batch_normalization:
        x = _normalized(x, "normalization_logits")
    return keras.Model(inputs, x)


def _normalized(x, name):
    momentum = BATCH_NORMALIZATION_MOMENTUM
    return keras.layers.BatchNormalization(momentum=momentum, name=name)(x)


def _one_bit(x):
    """Return 1 where a pixel is at least 0.5, else 0; gradients pass unchanged."""
    x = keras.layers.Rescaling(1.0, offset=-0.5)(x)
    return QuantActivation(_at_least_zero, estimators.identity, 1, name="binary_input")(x)


def _at_least_zero(x, noise):
    return ops.cast(x >= 0, x.dtype)
