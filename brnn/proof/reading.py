"""Keras nets read as matrices."""

import keras
import numpy as np

from brnn.contracts import Quantizer
from brnn.errors import ConfigError
from brnn.quantization.layers import QuantActivation

BIT = 0.5  # pixels from here on are 1 to a net with one-bit inputs
AROUND_ZERO = np.array([-2, -1e-3, 0, 1e-3, 2], "float32")

Layers = list[tuple[np.ndarray, np.ndarray]]


def read(model: keras.Model) -> tuple[bool, Layers]:
    """Return whether inputs are one bit, and the kernel and bias of each layer in float64.

    Batch normalization is folded in.

    Raises:
        ConfigError: the model is not a stack of dense layers and activations of -1 and +1.
    """
    if not isinstance(model, keras.Model):
        raise ConfigError(f"attack=exact needs a Keras model, got {type(model).__name__}")
    layers: Layers = []
    one_bit = False
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense) and layer.activation is keras.activations.linear:
            kernel, bias = layer.get_weights()
            layers.append((kernel.astype("float64"), bias.astype("float64")))
        elif isinstance(layer, keras.layers.BatchNormalization):
            layers[-1] = _folded(*layers[-1], layer)
        elif isinstance(layer, QuantActivation) and layer.name == "binary_input":
            one_bit = True
        elif not _is_harmless(layer):
            raise ConfigError(
                "attack=exact needs dense layers and binary activations, as of"
                f" precision=binarynet, got {layer.name}"
            )
    return one_bit, layers


def is_sign(quantizer: Quantizer) -> bool:
    """Return whether a quantizer gives -1 below 0 and +1 from 0 on."""
    return np.array_equal(quantizer(AROUND_ZERO, None), [-1, -1, 1, 1, 1])


def _folded(
    kernel: np.ndarray, bias: np.ndarray, layer: keras.layers.BatchNormalization
) -> tuple[np.ndarray, np.ndarray]:
    gamma, beta, mean, variance = (v.astype("float64") for v in layer.get_weights())
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return kernel * scale, (bias - mean) * scale + beta


def _is_harmless(layer: keras.layers.Layer) -> bool:
    """Return whether a layer is a sign, or changes nothing that the program needs to state."""
    shaping = keras.layers.InputLayer | keras.layers.Flatten | keras.layers.Dropout
    if isinstance(layer, shaping | keras.layers.Rescaling):
        return True
    return isinstance(layer, QuantActivation) and is_sign(layer.quantizer)
