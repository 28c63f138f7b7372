"""Topologies: ordinary Keras models, built from ordinary Keras layers.

Each function maps a `Task` and `activate(name, fan_in)`, which gives the hidden activation that the precision
asks for (the real one called `name` where it asks for none), to an untrained model from inputs to logits.
Layers named `real_*` are not discretized.
"""

import math

import keras

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
):
    """`depth` hidden layers of `width`, by default the original's single one of 256."""
    widths = [width] * depth
    return _dense(task, activate, widths, activation, batch_normalization, dropout, real_first, real_last)


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
):
    """A hidden layer of `first_width`, then `depth` of `width`: the original's net for deep estimators."""
    widths = [first_width] + [width] * depth
    return _dense(task, activate, widths, activation, batch_normalization, dropout, real_first, real_last)


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
):
    """The modern recipe: hidden layers with batch normalization, trained by a decaying learning rate.

    After Hubara et al. 2016, arXiv:1602.02830; the option also chooses its loss and its schedule.
    """
    widths = [width] * depth
    return _dense(task, activate, widths, activation, batch_normalization, dropout, real_first, real_last)


def _dense(task, activate, widths, activation, batch_normalization, dropout, real_first, real_last):
    """Hidden layers of `widths` and the output layer; batch normalization after each, dropout after the hidden."""
    inputs = keras.Input(task.shape)
    x = keras.layers.Flatten()(inputs)
    fan_in = math.prod(task.shape)
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
