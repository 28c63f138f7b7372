"""The inputs of a net: normalized as its task states, or images in bytes."""

from contextlib import suppress
from typing import Any

import keras
import numpy as np

from brnn.contracts import Array
from brnn.nets.task import Task

NAME = "normalized_input"  # of the layer
ONLY_SHAPES = (keras.layers.Flatten, keras.layers.InputLayer, keras.layers.Reshape)
WHITE = 255  # the byte of a pixel of 1


def normalized(task: Task, x: Array) -> Array:
    """Return scale x + offset, of all inputs or of each channel, where the task has them, else x.

    Args:
        task: that of the net.
        x: real inputs of the net.
    """
    if not task.normalization:
        return x
    scale, offset = (list(values) for values in zip(*task.normalization, strict=True))
    return keras.layers.Rescaling(scale, offset, name=NAME)(x)


def with_byte_inputs(model: keras.Model) -> keras.Model:
    """Return a model that takes images in bytes and gives the outputs of `model` for their pixels.

    Where a dense layer or a convolution alone takes the pixels, it adds whole numbers, whose sums
    are divided by 255: (k @ w + 255 b) / 255 for bytes k. So its sums are those of the evaluation
    and of exported files, which have no rounding. Else bytes become pixels in [0, 1].

    Args:
        model: a net of ordinary Keras layers.
    """
    inputs = keras.Input(model.inputs[0].shape[1:], dtype="uint8")
    layers = getattr(model, "operations", [])
    start = next((n for n, layer in enumerate(layers) if not isinstance(layer, ONLY_SHAPES)), 0)
    if start and isinstance(first := layers[start], keras.layers.Dense | keras.layers.Conv2D):
        with suppress(ValueError):  # another layer takes the pixels too
            rest = keras.Model(first.output, model.output)
            x = keras.layers.Rescaling(1.0)(inputs)  # float32
            for layer in layers[1:start]:
                x = layer(x)
            return keras.Model(inputs, rest(_of_bytes(first, x)))
    return keras.Model(inputs, model(keras.layers.Rescaling(1 / WHITE)(inputs)))


def _of_bytes(layer: Any, x: Array) -> Array:
    """Return the outputs of a layer for x / 255, of codes -1, 0 and 1 if it has levels."""
    kernel, *bias = layer.get_weights()
    level = np.abs(kernel).max()
    scale = level if level and np.isin(kernel, (-level, 0, level)).all() else np.float32(1)
    sums = type(layer).from_config(layer.get_config() | {"activation": "linear"})
    outputs = keras.layers.Rescaling(float(scale) / WHITE)(sums(x))
    sums.set_weights([kernel / scale, *(WHITE * values / scale for values in bias)])
    return layer.activation(outputs)
