"""Keras nets read as matrices."""

from typing import NamedTuple

import keras
import numpy as np

from brnn.contracts import Quantizer
from brnn.errors import ConfigError
from brnn.quantization.layers import QuantActivation, sign_level

BIT = 0.5  # pixels from here on are 1 to a net with one-bit inputs


class Layer(NamedTuple):
    """A dense layer, with the batch normalization after it folded in; all in float64.

    Attributes:
        name: of the dense layer.
        kernel: (k, m).
        bias: (m,).
        terms: (m,) sum of the sizes of what the net adds to a product with the kernel.
        plain: whether it has no batch normalization.
    """

    name: str
    kernel: np.ndarray
    bias: np.ndarray
    terms: np.ndarray
    plain: bool = True


def read(model: keras.Model) -> tuple[bool, list[Layer]]:
    """Return whether inputs are one bit, and the layers.

    Raises:
        ConfigError: the model is not a stack of dense layers and activations of -1 and +1.
    """
    if not isinstance(model, keras.Model):
        raise ConfigError(f"attack=exact needs a Keras model, got {type(model).__name__}")
    layers: list[Layer] = []
    one_bit = any(layer.name == "binary_input" for layer in model.layers)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense) and layer.activation is keras.activations.linear:
            kernel, bias = (value.astype("float64") for value in layer.get_weights())
            layers.append(Layer(layer.name, kernel, bias, np.abs(bias)))
        elif isinstance(layer, keras.layers.BatchNormalization):
            layers[-1] = _folded(layers[-1], layer)
        elif not _is_harmless(layer, one_bit):
            raise ConfigError(
                "attack=exact needs dense layers and binary activations, as of"
                f" precision=binarynet, got {layer.name}"
            )
    return one_bit, layers


def is_sign(quantizer: Quantizer) -> bool:
    """Return whether a quantizer gives -1 below 0 and +1 from 0 on."""
    return sign_level(quantizer) == 1.0


def _folded(dense: Layer, layer: keras.layers.BatchNormalization) -> Layer:
    gamma, beta, mean, variance = (v.astype("float64") for v in layer.get_weights())
    scale = gamma / np.sqrt(variance + layer.epsilon)
    bias = (dense.bias - mean) * scale + beta
    terms = np.abs(scale) * (dense.terms + np.abs(mean)) + np.abs(beta)
    return Layer(dense.name, dense.kernel * scale, bias, terms, plain=False)


def _is_harmless(layer: keras.layers.Layer, one_bit: bool) -> bool:
    """Return whether a layer is a sign, or changes nothing that the program needs to state."""
    if one_bit and (isinstance(layer, keras.layers.Rescaling) or layer.name == "binary_input"):
        return True
    if isinstance(layer, keras.layers.InputLayer | keras.layers.Flatten | keras.layers.Dropout):
        return True
    return isinstance(layer, QuantActivation) and is_sign(layer.quantizer)
