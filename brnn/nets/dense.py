"""Dense nets.

Shapes: inputs (n, *task.shape), flattened to (n, d); hidden layers (n, first_width), (n, width), …;
logits (n, classes). Layers named `real_…` are not discretized.
"""

import keras
from keras import ops

from brnn.config.ranges import Count, Natural, ProperShare
from brnn.contracts import Activate, Array, Noise
from brnn.nets.inputs import normalized
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
    """Return a net of dense layers: flattened inputs to logits.

    The widths of the hidden layers are `first_width`, then `depth - 1` times `width`. The fan-in of
    each activation is the width of the layer before it.

    Args:
        task: the shape of one input and the number of classes.
        activate: returns the hidden activations.
        first_width: units of the first hidden layer; None for `width`.
        width: units of each other hidden layer.
        depth: number of hidden layers; 0 is a linear classifier.
        activation: name in Keras of the hidden activation where the precision quantizes none.
        batch_normalization: normalize after every dense layer, the output layer included.
        dropout: share of hidden units that a training step leaves out.
        real_first: keep the first hidden layer real-valued.
        real_last: keep the output layer real-valued.
        binary_input: round inputs to 0 or 1; gradients pass unchanged.
    """
    x = inputs = keras.Input(task.shape)
    x = _rounded(x) if binary_input else normalized(task, x)
    x = keras.layers.Flatten()(x)
    fan_in = x.shape[-1]
    widths = [first_width or width, *[width] * (depth - 1)] if depth else []
    for index, units in enumerate(widths):
        name = "real_first" if real_first and index == 0 else f"hidden_{index}"
        x = keras.layers.Dense(units, name=name)(x)
        if batch_normalization:
            x = _normalized(x, f"normalization_{index}")
        x = activate(activation, fan_in)(x)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
        fan_in = units
    x = keras.layers.Dense(task.classes, name="real_logits" if real_last else "logits")(x)
    if batch_normalization:
        x = _normalized(x, "normalization_logits")
    return keras.Model(inputs, x)


def _normalized(x: Array, name: str) -> Array:
    momentum = BATCH_NORMALIZATION_MOMENTUM
    return keras.layers.BatchNormalization(momentum=momentum, name=name)(x)


def _rounded(x: Array) -> Array:
    """Return 1 where a pixel is at least 0.5, else 0; gradients pass unchanged."""
    x = keras.layers.Rescaling(1.0, offset=-0.5)(x)
    return QuantActivation(_is_not_negative, estimators.identity, 1, name="binary_input")(x)


def _is_not_negative(x: Array, noise: Noise | None) -> Array:
    return ops.cast(x >= 0, x.dtype)
