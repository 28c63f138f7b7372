"""Small nets whose measures can be worked out by hand."""

from functools import partial

import keras
import numpy as np

from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager, Rule

BINARY = partial(quantizers.binary, scale=1.0)
TERNARY = partial(quantizers.ternary, scale=1.0)
STE = partial(estimators.ste, bound=1.0)
BINARY_KERNELS = Rule("kernel", BINARY, 1.0)
TERNARY_KERNELS = Rule("kernel", TERNARY, 1.0)


def activated(*widths, estimator=STE):
    """A net of identity kernels, with a quantized activation after each but the last."""
    inputs = keras.Input((2,))
    x = inputs
    for number, width in enumerate(widths):
        if number:
            x = QuantActivation(BINARY, estimator, 2, name=f"sign_{number}")(x)
        x = keras.layers.Dense(width, kernel_initializer="identity", name=f"dense_{number}")(x)
    return keras.Model(inputs, x)


def recurrent(cell, rules, width=3):
    """The manager of a net of one recurrent layer and two outputs, at fixed weights."""
    inputs = keras.Input((None, width))
    model = keras.Model(
        inputs, keras.layers.Dense(2, name="logits")(keras.layers.RNN(cell, name="loop")(inputs))
    )
    for number, variable in enumerate(model.trainable_variables):
        variable.assign(np.random.default_rng(number).uniform(-1, 1, variable.shape))
    return QuantManager(model, rules)
