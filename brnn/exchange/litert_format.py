"""The format of LiteRT, formerly TensorFlow Lite."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from brnn.exchange.exported import Exported
from brnn.exchange.limits import check_no_states, check_unit_levels, check_whole
from brnn.exchange.net import LARGEST_BYTE, Layer, Net, halfway
from brnn.terminal import stderr

PACKAGES = ("ai_edge_quantizer", "ai_edge_litert")
EXTRA = "litert"


def litert(net: Net) -> Exported:
    """Write a `.tflite` file for LiteRT: 2 bits for each weight of hidden dense layers, else 4.

    It takes pixels in [0, 1], or what the net takes. The first layer and convolutions convert their
    weights to float32 and add in it. The others have one scale for a whole kernel: with one for
    each unit LiteRT computes in another way, which changes signs.
    """
    from brnn.exchange.litert_runtime import quantized, run, seconds

    check_no_states(net, "litert")
    check_whole(net, "litert", "levels, onnx")
    check_unit_levels(net, "litert", "c, onnx, qonnx, levels")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.tflite"
        with stderr.quiet():
            _model(net).export(path, format="litert", verbose=False)
        content = quantized(path.read_bytes(), net.layers[0].name)
    runtimes = {
        "LiteRT": partial(run, content, True, None),
        "LiteRT, row by row": partial(run, content, True, 1),
        "LiteRT without delegates": partial(run, content, False, None),
    }
    return Exported(".tflite", content, runtimes, partial(seconds, content))


def _model(net: Net) -> keras.Model:
    """Return the net as a Keras model with codes as kernels, and thresholds."""
    x = inputs = keras.Input(net.shape)
    x = keras.layers.Reshape(net.maps[0])(x)
    if net.steps is not None:
        x = _stepped(x, np.array(net.pixel_cuts), net.steps.values)
    kernels = []
    for number, layer in enumerate(net.layers):
        pools_sums = layer.window.pools_sums
        kernels.append((layer.kernel if pools_sums else layer.rising).astype("float32"))
        unit = float(LARGEST_BYTE) if net.inputs == "pixels" and number == 0 else 1.0
        x = _output(layer, _sums(layer, x, unit), unit)
    model = keras.Model(inputs, x)
    model.set_weights(kernels)
    return model


def _sums(layer: Layer, x: Any, unit: float) -> Any:
    if not layer.convolves:
        x = x if len(x.shape) == 2 else keras.layers.Flatten()(x)
        return keras.layers.Dense(layer.units, use_bias=False, name=layer.name)(x)
    window = layer.window
    if window.padded:
        x = ops.pad(x, ((0, 0), *window.pads, (0, 0)), constant_values=window.pad_value / unit)
    size = layer.kernel.shape[:2]
    return keras.layers.Conv2D(
        layer.units, size, strides=window.strides, use_bias=False, name=layer.name
    )(x)


def _output(layer: Layer, x: Any, unit: float) -> Any:
    """Return the output of a layer whose sums count `unit` times as much as its inputs."""
    pools_sums = layer.window.pools_sums
    if pools_sums:
        x = keras.layers.MaxPooling2D(layer.window.pool)(x)
        x = x * layer.sign.astype("float32") if (layer.sign < 0).any() else x
    if layer.threshold is None:
        x = ops.maximum(x, -layer.reach)  # else the scale is multiplied into the codes
        x = x * (layer.scale * unit).astype("float32") + layer.bias
        return x * layer.multiplier + layer.shift
    x = _stepped(x, halfway(layer) / unit, layer.values)
    if layer.window.pool > 1 and not pools_sums:
        x = keras.layers.MaxPooling2D(layer.window.pool)(x)
    return x


def _stepped(x: Any, cuts: np.ndarray, values: tuple[int, ...]) -> Any:
    result: Any = float(values[0])
    for cut, value in zip(cuts.astype("float32"), values[1:], strict=True):
        result = ops.where(x >= cut, float(value), result)
    return result
