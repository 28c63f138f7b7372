"""Reads a net of the format `levels`. It needs NumPy alone: copy it to where the net runs."""

import numpy as np

ACTIVATIONS: dict = {
    "sign": lambda x: np.where(x >= 0, 1.0, -1.0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "linear": lambda x: x,
}


def logits(path, x):
    """Return the logits (n, classes) of inputs (n, …): bytes from 0 to 255, or real numbers."""
    net = np.load(path, allow_pickle=False)
    x = x.reshape(len(x), -1)
    if net["cut"]:
        x = x >= net["cut"]
    for i in range(net["layers"]):
        sums = x.astype("float64") @ codes(net[f"{i}/kernel"], x.shape[1])  # whole ones are exact
        if f"{i}/threshold" in net:
            x = np.where(sums >= net[f"{i}/threshold"], 1, -1)
        else:
            values = (sums * net[f"{i}/scale"]).astype("float32") + net[f"{i}/bias"]
            values = values * net[f"{i}/multiplier"] + net[f"{i}/shift"]
            x = ACTIVATIONS[str(net[f"{i}/activation"])](values)
    return x


def codes(kernel, rows):
    """Return codes -1, 0 and +1 from bits: a plane of +1, and one of -1 if there are zeros."""
    if kernel.dtype != np.uint8:
        return kernel  # real weights
    planes = np.unpackbits(kernel, axis=1, count=rows).astype("float64")
    return planes[0] - planes[1] if len(planes) == 2 else 2 * planes[0] - 1
