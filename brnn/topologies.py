"""Topologies: ordinary Keras models, built from ordinary Keras layers.

Each function maps a `Task` and `activate(name, fan_in)`, which gives the hidden activation that the precision
asks for (the real one called `name` where it asks for none), to an untrained model from inputs to logits.
Layers named `real_*` are not discretized.
"""

import keras
from keras import ops

from brnn import estimators
from brnn.layers import QuantActivation
from brnn.ranges import Count, Natural, ProperShare

BN_MOMENTUM = 0.9  # as in BinaryNet; Keras' 0.99 lags behind weights that flip


def simple(
    task,
    activate,
    *,
    width: Count,
    depth: Natural,
    activation: str,
    batch_normalization: bool,
    dropout: ProperShare,
    real_first: bool,
    real_last: bool,
    binary_input: bool,
):
    """`depth` hidden layers of `width`, by default the original's single one of 256."""
    widths = [width] * depth
    return _net(task, activate, widths, activation, batch_normalization, dropout, real_first, real_last, binary_input)


def deep(
    task,
    activate,
    *,
    first_width: Count,
    width: Count,
    depth: Natural,
    activation: str,
    batch_normalization: bool,
    dropout: ProperShare,
    real_first: bool,
    real_last: bool,
    binary_input: bool,
):
    """A hidden layer of `first_width`, then `depth` of `width`: the original's net for deep estimators."""
    widths = [first_width] + [width] * depth
    return _net(task, activate, widths, activation, batch_normalization, dropout, real_first, real_last, binary_input)


def mlp(
    task,
    activate,
    *,
    width: Count,
    depth: Natural,
    activation: str,
    batch_normalization: bool,
    dropout: ProperShare,
    real_first: bool,
    real_last: bool,
    binary_input: bool,
):
    """The modern recipe: hidden layers with batch normalization, trained by a decaying learning rate.

    After Hubara et al. 2016, arXiv:1602.02830; the option also chooses its loss and its schedule.
    """
    widths = [width] * depth
    return _net(task, activate, widths, activation, batch_normalization, dropout, real_first, real_last, binary_input)


def _net(task, activate, widths, activation, batch_normalization, dropout, real_first, real_last, binary_input):
    """Hidden layers of `widths` and the output layer; batch normalization after each, dropout after the hidden."""
    x = inputs = keras.Input(task.shape)
    if binary_input:
        x = _one_bit(x)
    x = keras.layers.Flatten()(x)
    fan_in = x.shape[-1]
    for number, width in enumerate(widths):
        name = "real_first" if real_first and number == 0 else f"hidden_{number}"
        x = keras.layers.Dense(width, name=name)(x)
        if batch_normalization:
            x = keras.layers.BatchNormalization(momentum=BN_MOMENTUM, name=f"normalization_{number}")(x)
        x = activate(activation, fan_in)(x)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
        fan_in = width
    x = keras.layers.Dense(task.classes, name="real_logits" if real_last else "logits")(x)
    if batch_normalization:
        x = keras.layers.BatchNormalization(momentum=BN_MOMENTUM, name="normalization_logits")(x)
    return keras.Model(inputs, x)


def _one_bit(x):
    """1 where a pixel is at least 0.5, else 0; gradients pass as they come."""
    x = keras.layers.Rescaling(1.0, offset=-0.5)(x)
    return QuantActivation(_at_least_zero, estimators.identity, 1, name="binary_input")(x)


def _at_least_zero(x, noise):
    return ops.cast(x >= 0, x.dtype)
