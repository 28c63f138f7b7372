"""Initial values of latent weights.

Each function has the contract `brnn.contracts.Initializer`: a shape, the scale of the quantizer's
levels and a NumPy generator, to float32 values of that shape. The fan-in is the product of all axes
but the last.
"""

import math

import numpy as np

from brnn.config.ranges import Positive


def he_normal(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> np.ndarray:
    """Return normal values of standard deviation sqrt(2 / fan-in).

    References:
        He et al. 2015, arXiv:1502.01852.
    """
    return (rng.standard_normal(shape) * _he_deviation(shape)).astype("float32")


def glorot_uniform(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> np.ndarray:
    """Return uniform values within ± sqrt(6 / (fan-in + fan-out)), as the layers of Keras.

    The fan-out is the product of all axes but the last but one.

    References:
        Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural
        networks".
    """
    window, (inputs, outputs) = math.prod(shape[:-2]), (1, 1, *shape)[-2:]
    limit = math.sqrt(6.0 / (window * (inputs + outputs)))
    return rng.uniform(-limit, limit, shape).astype("float32")


def binary_choice(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> np.ndarray:
    """Return +scale or -scale, each with probability 1/2."""
    return rng.choice(np.array([-scale, scale], "float32"), shape)


def ternary_choice(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> np.ndarray:
    """Return -scale, 0 or +scale, each with probability 1/3."""
    return rng.choice(np.array([-scale, 0, scale], "float32"), shape)


def scaled_identity(
    shape: tuple[int, ...], scale: float, rng: np.random.Generator, *, gain: Positive
) -> np.ndarray:
    """Return `gain` on the main diagonal of the last two axes, else 0; a vector is all 0."""
    if len(shape) < 2:
        return np.zeros(shape, "float32")
    rows, columns = shape[-2:]
    return np.broadcast_to(gain * np.eye(rows, columns, dtype="float32"), shape).copy()


def pseudo_hadamard(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> np.ndarray:
    """Return signs of a Hadamard matrix times sqrt(2 / fan-in) |normal value|.

    The signs are the top left part of the matrix of the next power of two, so that columns are
    nearly orthogonal.
    """
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    signs = np.ones((1, 1), "float32")
    while len(signs) < max(rows, columns):
        signs = np.block([[signs, signs], [signs, -signs]])
    magnitude = np.abs(rng.standard_normal(shape)) * _he_deviation(shape)
    return (signs[:rows, :columns].reshape(shape) * magnitude).astype("float32")


def _he_deviation(shape: tuple[int, ...]) -> float:
    """Return sqrt(2 / fan-in)."""
    return np.sqrt(2.0 / max(1, math.prod(shape[:-1])))
