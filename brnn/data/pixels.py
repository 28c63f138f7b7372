"""Bytes as pixels."""

import keras
import numpy as np

from brnn.contracts import Array

LARGEST_BYTE = 255  # that of a pixel of 1
ROUNDED = 1e-4  # grey levels, by which float32 rounds a change at most


def grey(images: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return images (n, *d) in [0, 1] whose changes are rounded towards 0, to whole grey levels.

    Args:
        images: pixels in [0, 1].
        centers: clean images of grey levels, from which they differ.
    """
    clean = np.rint(centers * LARGEST_BYTE)
    change = (images - centers).astype("float64") * LARGEST_BYTE
    levels = clean + np.trunc(change + ROUNDED * np.sign(change))
    return levels.astype("float32") * np.float32(1 / LARGEST_BYTE)


def to_pixels(x: Array) -> Array:
    """Return bytes, as images are kept, as float32 in [0, 1]; other inputs unchanged.

    The factor is the float32 next to 1/255, which compilers make of a division, so that all agree.
    """
    return keras.ops.cast(x, "float32") * np.float32(1 / LARGEST_BYTE) if x.dtype == "uint8" else x
