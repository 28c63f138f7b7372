"""Initial values of latent weights.

Each function maps a `shape`, the `scale` of the quantizer's levels and a NumPy generator to float32
values of that shape. The fan-in is the product of all dimensions but the last.
"""

import numpy as np

from brnn.config.ranges import Positive


def he_normal(shape, scale, rng):
    """Normal values of standard deviation sqrt(2 / fan-in).

    He et al. 2015, arXiv:1502.01852.
    """
    return (rng.standard_normal(shape) * _he(shape)).astype("float32")


def binary_choice(shape, scale, rng):
    """+scale or -scale, each with probability 1/2."""
    return rng.choice(np.float32([-scale, scale]), shape)


def ternary_choice(shape, scale, rng):
    """-scale, 0 or +scale, each with probability 1/3."""
    return rng.choice(np.float32([-scale, 0, scale]), shape)


def scaled_identity(shape, scale, rng, *, gain: Positive):
    """`gain` on the main diagonal of the last two dimensions, else 0; a vector is all 0."""
    if len(shape) < 2:
        return np.zeros(shape, "float32")
    return np.broadcast_to(gain * np.eye(*shape[-2:], dtype="float32"), shape).copy()


def pseudo_hadamard(shape, scale, rng):
    """Signs of a Hadamard matrix times sqrt(2 / fan-in) |normal value|: columns that are nearly orthogonal.

    The matrix is the top left part of that of the next power of two.
    """
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    signs = np.ones((1, 1), "float32")
    while len(signs) < max(rows, columns):
        signs = np.block([[signs, signs], [signs, -signs]])
    magnitude = np.abs(rng.standard_normal(shape)) * _he(shape)
    return (signs[:rows, :columns].reshape(shape) * magnitude).astype("float32")


def _he(shape):
    return np.sqrt(2.0 / max(1, np.prod(shape[:-1])))
