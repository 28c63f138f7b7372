"""Bytes as pixels."""

import keras
import numpy as np

from brnn.contracts import Array


def to_pixels(x: Array) -> Array:
    """Return bytes, as images are kept, as float32 in [0, 1]; other inputs unchanged.

    The factor is the float32 next to 1/255, which compilers make of a division, so that all agree.
    """
    return keras.ops.cast(x, "float32") * np.float32(1 / 255) if x.dtype == "uint8" else x
