"""Reads a net of the format `levels`. It needs NumPy alone: copy it to where the net runs."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

ACTIVATIONS: dict = {"linear": lambda x: x, "relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}
ACTIVATIONS["sigmoid"] = lambda x: 1 / (1 + np.exp(-x))


def logits(path, x):
    """Return the logits (n, classes) of inputs (n, …): bytes from 0 to 255, or real numbers."""
    net = np.load(path, allow_pickle=False)
    x = outputs(x.reshape(len(x), *net["shape"]), net)
    for i in range(net["layers"]):
        layer = {key.partition("/")[2]: net[key] for key in net if key.startswith(f"{i}/")}
        kernel, shape = layer["kernel"], layer["shape"]
        if kernel.dtype == np.uint8:  # bits: a plane of +1 and, of codes with 0, one of 0 and +1
            kernel = 2 * np.unpackbits(kernel, axis=1, count=np.prod(shape[:-1])).mean(axis=0) - 1
        x = outputs(summed(x, kernel.reshape(shape), layer["window"], layer.get("pad", 0)), layer)
    return x.reshape(len(x), -1)


def summed(x, kernel, window, pad):
    """Return the sums (n, h, w, m) of maps (n, h, w, c) with a kernel (rows, columns, c, m)."""
    *pads, (down, across) = window  # pads before and after each axis, and strides
    x = np.pad(x.astype("float64"), pads, constant_values=pad)
    windows = sliding_window_view(x, kernel.shape[:3], (1, 2, 3))[:, ::down, ::across, 0]
    return np.tensordot(windows, kernel, 3)  # whole sums are exact


def outputs(x, layer):
    """Return what follows sums: scales and an activation, or thresholds; then pooling."""
    if "scale" in layer:
        x = (x * layer["scale"]).astype("float32") + layer["bias"]
        x = ACTIVATIONS[str(layer["activation"])](x * layer["multiplier"] + layer["shift"])
    if "at" in layer:  # a level by the number of thresholds that are reached
        x = layer["values"][sum(x >= edge for edge in layer["at"])]
    size = layer.get("pool", 1)
    windows = sliding_window_view(x, (size, size), (1, 2))[:, ::size, ::size]
    return np.where(layer.get("falling", False), windows.min((4, 5)), windows.max((4, 5)))
