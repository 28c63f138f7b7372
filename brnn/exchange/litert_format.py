"""The format of LiteRT, formerly TensorFlow Lite."""

import tempfile
from functools import partial
from pathlib import Path

import keras
import numpy as np
from keras import ops

from brnn.exchange.net import HALF, Exported, Net, check_whole, halfway
from brnn.terminal import stderr

PACKAGES = ("ai_edge_quantizer", "ai_edge_litert")
EXTRA = "litert"


def litert(net: Net) -> Exported:
    """Write a `.tflite` file for LiteRT: 4 bits for each weight of the first layer, then 2.

    It takes pixels in [0, 1], or what the net takes. The first layer brings its weights to float32
    and adds in it. The others have one scale for a whole kernel: with one for each unit LiteRT
    takes another way, which changes signs.
    """
    from brnn.exchange.litert_runtime import quantized, run

    check_whole(net, "litert", "levels, onnx")
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
    return Exported(".tflite", content, runtimes)


def _model(net: Net) -> keras.Model:
    """Return the net as a Keras model with codes as kernels, and thresholds."""
    x = inputs = keras.Input(net.shape)
    x = keras.layers.Flatten()(x)
    if net.cut:
        x = ops.where(x >= HALF, 1.0, 0.0)
    kernels = []
    for number, layer in enumerate(net.layers):
        dense = keras.layers.Dense(layer.kernel.shape[1], use_bias=False, name=layer.name)
        x = dense(x)
        kernels.append(layer.kernel.astype("float32"))
        unit = 255.0 if net.inputs == "pixels" and number == 0 else 1.0  # thresholds count bytes
        if layer.threshold is None:
            x = ops.maximum(x, -layer.reach)  # else the scale is multiplied into the codes
            x = x * np.float32(layer.scale * unit) + layer.bias
            x = x * layer.multiplier + layer.shift
        else:
            cut = (halfway(layer, signs=number > 0) / unit).astype("float32")
            x = ops.where(x >= cut, 1.0, -1.0)
    model = keras.Model(inputs, x)
    model.set_weights(kernels)
    return model
