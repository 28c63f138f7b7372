"""Reads a net of the format `levels`. It needs NumPy alone: copy it to where the net runs."""

import numpy as np

ACTIVATIONS: dict = {
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "linear": lambda x: x,
}


def logits(path, x):
    """Return the logits (n, classes) of inputs (n, …): bytes from 0 to 255, or real numbers."""
    net = np.load(path, allow_pickle=False)
    x = stepped(x, net["at"], net["values"]) if "at" in net else x
    for i in range(net["layers"]):
        layer = {key.partition("/")[2]: net[key] for key in net if key.startswith(f"{i}/")}
        x = summed(x, codes(layer["kernel"], layer["shape"]), layer.get("window"))
        if "scale" in layer:
            x = (x * layer["scale"]).astype("float32") + layer["bias"]
            x = x * layer["multiplier"] + layer["shift"]
        real = ACTIVATIONS[str(layer.get("activation", "linear"))]
        x = stepped(x, layer["at"], layer.get("values", (-1, 1))) if "at" in layer else real(x)
        x = pooled(x, int(layer.get("pool", 1)), layer.get("falling", False))
    return x


def codes(kernel, shape):
    """Return codes -1, 0 and +1 from bits: a plane of +1, and one of -1 if there are zeros."""
    if kernel.dtype != np.uint8:
        return kernel  # real weights
    planes = np.unpackbits(kernel, axis=1, count=np.prod(shape[:-1])).astype("float64")
    return (planes[0] - planes[1] if len(planes) == 2 else 2 * planes[0] - 1).reshape(shape)


def summed(x, kernel, window):
    """Return sums of a dense layer (k, m), or of a convolution (height, width, channels, m)."""
    if kernel.ndim == 2:
        return x.reshape(len(x), -1).astype("float64") @ kernel  # whole sums are exact
    (top, bottom, left, right, down, across), value = np.int_(window[:6]), window[6]
    pads = [(0, 0), (top, bottom), (left, right), (0, 0)]
    x = np.pad(x.reshape(*x.shape[:3], -1).astype("float64"), pads, constant_values=value)
    height, width = np.array(x.shape[1:3]) - kernel.shape[:2] + 1
    taps = np.ndindex(kernel.shape[:2])
    total = sum(x[:, i : i + height, j : j + width] @ kernel[i, j] for i, j in taps)
    return total[:, ::down, ::across]


def stepped(x, at, values):
    """Return `values[i]` where x reaches `i` of the numbers, or rows of numbers, `at`."""
    return np.asarray(values)[sum((x >= edge).astype("int") for edge in at)]


def pooled(x, size, falling):
    """Return the largest output of each window, or of falling units the smallest."""
    if size == 1:
        return x
    rows, columns = x.shape[1] // size, x.shape[2] // size
    x = x[:, : rows * size, : columns * size].reshape(len(x), rows, size, columns, size, -1)
    return np.where(falling, x.min(axis=(2, 4)), x.max(axis=(2, 4)))
