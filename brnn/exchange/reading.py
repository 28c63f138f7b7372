"""Keras nets read as codes, scales and integer thresholds."""

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
from keras import ops

from brnn.errors import ConfigError
from brnn.exchange.levels_reader import ACTIVATIONS
from brnn.exchange.net import HALF, HALF_BYTE, SIGN, Layer, Net
from brnn.nets.thresholds import integer_thresholds
from brnn.quantization.layers import QuantActivation, sign_level

BYTES = 255  # a pixel of 1
SHAPING = keras.layers.InputLayer | keras.layers.Flatten | keras.layers.Dropout


@dataclass
class _Block:
    """A dense layer, and the layers of Keras that follow it."""

    dense: keras.layers.Dense
    normalization: keras.layers.BatchNormalization | None = None
    activation: keras.layers.Layer | None = None


def read(model: keras.Model, pixels: bool) -> Net:
    """Return a net in the form that the formats write.

    Args:
        model: the discretized net.
        pixels: whether its inputs are bytes, which it is given divided by 255.

    Raises:
        ConfigError: it is not a stack of dense layers, or has an activation that no format holds.
    """
    blocks: list[_Block] = []
    bits = any(layer.name == "binary_input" for layer in model.layers)
    for layer in getattr(model, "operations", model.layers):  # of a graph, others than layers too
        if isinstance(layer, keras.layers.Dense) and len(layer.input.shape) == 2:
            blocks.append(_Block(layer))
        elif isinstance(layer, keras.layers.BatchNormalization) and blocks:
            blocks[-1].normalization = layer
        elif isinstance(layer, QuantActivation | keras.layers.Activation) and blocks:
            blocks[-1].activation = layer
        elif not _is_harmless(layer, bits):
            raise ConfigError(
                f"{layer.name} ({type(layer).__name__}) cannot be exported; every format holds"
                " stacks of dense layers alone, as of topology=simple, deep, mlp and dense"
            )
    kind: Literal["pixels", "values"] = "pixels" if pixels else "values"
    inputs: Literal["pixels", "bits", "values"] = "bits" if bits else kind
    cut = (HALF_BYTE if pixels else HALF) if bits else 0.0
    largest = {"pixels": BYTES, "bits": 1, "values": 0}[inputs]
    unit = 1 / BYTES if inputs == "pixels" else 1.0
    layers = []
    for block in blocks:
        layer, unit = _layer(block, largest, unit)
        largest = int(layer.activation == SIGN)
        layers.append(layer)
    return Net(tuple(model.inputs[0].shape[1:]), inputs, cut, tuple(layers))


def _is_harmless(layer: keras.layers.Layer, bits: bool) -> bool:
    """Return whether a layer changes nothing that a format states elsewhere."""
    rounding = bits and (isinstance(layer, keras.layers.Rescaling) or layer.name == "binary_input")
    return rounding or isinstance(layer, SHAPING)


def _layer(block: _Block, largest: int, unit: float) -> tuple[Layer, float]:
    """Return a layer, and the value of its output +1 if it is a sign.

    Args:
        block: its layers in Keras.
        largest: the largest input, where inputs are whole numbers; else 0.
        unit: the value of the input 1.
    """
    weights = [np.asarray(weight) for weight in block.dense.weights]
    kernel, bias = weights if len(weights) == 2 else (*weights, np.zeros(weights[0].shape[1], "f4"))
    activation, level = _activation(block)
    multiplier, shift = _normalization(block.normalization, len(bias))
    sizes = np.unique(np.abs(kernel[kernel != 0]))
    is_coded = len(sizes) < 2
    scale = float(sizes[0] if is_coded and len(sizes) else 1.0) * unit
    codes = np.sign(kernel).astype("int8") if is_coded else kernel
    reach = len(kernel) * largest if is_coded else 0

    def holds(sums: np.ndarray) -> np.ndarray:
        return ((sums * scale).astype("float32") + bias) * multiplier + shift >= 0

    threshold = None
    if activation == SIGN and reach:
        sign, threshold = integer_thresholds(holds, reach, len(bias))
        codes = codes * sign
    name = block.dense.name
    layer = Layer(name, codes, scale, bias, multiplier, shift, activation, threshold, reach)
    return layer, level


def _activation(block: _Block) -> tuple[str, float]:
    """Return the name of an activation, and the value of its output 1.

    Raises:
        ConfigError: it has other levels than -s and s, or is not in `ACTIVATIONS`.
    """
    layer = block.activation
    if isinstance(layer, QuantActivation):
        if level := sign_level(layer.quantizer):
            return SIGN, level
        name = "a quantizer of other levels than -s and +s"
    else:
        functions = [block.dense.activation, *([layer.activation] if layer else [])]
        names = [keras.activations.serialize(function) for function in functions]
        name = next((name for name in names if name != "linear"), "linear")
        if name in ACTIVATIONS:
            return name, 1.0
    raise ConfigError(
        f"the activation of {block.dense.name} is {name}, which no format holds; they hold"
        f" {', '.join(ACTIVATIONS)}"
    )


def _normalization(
    layer: keras.layers.BatchNormalization | None, units: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return multiplier and shift (units,), rounded as Keras rounds them."""
    if layer is None:
        return np.ones(units, "float32"), np.zeros(units, "float32")
    multiplier = ops.rsqrt(layer.moving_variance + layer.epsilon)
    multiplier = multiplier * layer.gamma if layer.scale else multiplier
    shift = -layer.moving_mean * multiplier
    shift = layer.beta + shift if layer.center else shift
    return np.asarray(multiplier), np.asarray(shift)
