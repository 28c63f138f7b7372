"""Reading a Keras net as matrices."""

import keras
import numpy as np

from brnn.errors import ConfigError
from brnn.quantization.layers import QuantActivation

BIT = 0.5  # pixels from here on are 1 to a net with one-bit inputs


def read(model):
    """Whether inputs are one bit, and the kernel and bias of each layer, batch normalization folded in, in float64."""
    layers, one_bit = [], False
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            layers.append([np.float64(value) for value in layer.get_weights()])
        elif isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = map(np.float64, layer.get_weights())
            scale = gamma / np.sqrt(variance + layer.epsilon)
            kernel, bias = layers[-1]
            layers[-1] = [kernel * scale, (bias - mean) * scale + beta]
        elif isinstance(layer, QuantActivation):
            one_bit |= layer.name == "binary_input"
        elif not isinstance(
            layer,
            keras.layers.InputLayer
            | keras.layers.Flatten
            | keras.layers.Dropout
            | keras.layers.Rescaling,
        ):
            raise ConfigError(
                f"attack=exact needs dense layers and binary activations, as of precision=binarynet, got {layer.name}"
            )
    return one_bit, layers
