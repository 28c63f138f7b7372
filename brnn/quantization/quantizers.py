"""Quantizers: the discrete levels of a weight or an activation.

Each function maps latent values `x` to levels of the same shape and dtype. `noise(shape)` gives new uniform
values in [0, 1) at every call, from which the stochastic quantizers draw; it is None in evaluation, where they
give their deterministic levels.
"""

import math

import numpy as np
from keras import ops

from brnn.config.ranges import Positive, PositiveShare

EXPONENTS = range(-126, 128)  # of the normal float32 numbers


def binary(x, noise, *, scale: Positive):
    """+scale where x >= 0, else -scale: zero is positive, so that one bit is enough.

    Courbariaux et al. 2015, arXiv:1511.00363.
    """
    return scale * _sign(x)


def stochastic_binary(x, noise, *, scale: Positive):
    """Scale sign(x) with probability clip(0.2 |x| + 0.5, 0, 1), else -scale sign(x)."""
    if noise is None:
        return binary(x, noise, scale=scale)
    return ops.where(_drawn(x, noise), scale, -scale) * _sign(x)


def ternary(x, noise, *, scale: Positive):
    """0 where |x| < scale / 2, else scale sign(x)."""
    return ops.where(ops.abs(x) < scale / 2, 0.0, scale) * _sign(x)


def stochastic_ternary(x, noise, *, scale: Positive):
    """Scale sign(x) with probability clip(0.2 |x| + 0.5, 0, 1), else 0; in evaluation that of `ternary`."""
    if noise is None:
        return ternary(x, noise, scale=scale)
    return ops.where(_drawn(x, noise), scale, 0.0) * _sign(x)


def exponential(x, noise):
    """sign(x) 2^round(log2 |x|), and 0 at 0: weights that multiply by a bit shift.

    Ott et al. 2016, arXiv:1608.06902. Powers come from a table, since exp2 is not exact in XLA.
    """
    exponent = ops.round(ops.log2(ops.maximum(ops.abs(x), 2.0 ** EXPONENTS[0])))
    table = ops.convert_to_tensor(np.ldexp(1.0, EXPONENTS).astype("float32"))
    power = ops.take(table, ops.cast(exponent, "int32") - EXPONENTS[0])
    return ops.where(ops.abs(x) < 2.0 ** EXPONENTS[0], 0.0, power) * _sign(x)


def low_rank(x, noise, *, ratio: PositiveShare):
    """The matrix rebuilt from its ceil(ratio rank) leading singular values; a vector stays as it is."""
    if len(x.shape) < 2:
        return x
    matrix = ops.reshape(x, (-1, x.shape[-1]))
    kept = math.ceil(ratio * min(matrix.shape))
    # eigenvectors of the Gram matrix: its side is the short one, so this is 3 to 5 times as fast as an SVD
    if matrix.shape[0] < matrix.shape[1]:
        left = ops.linalg.eigh(matrix @ ops.transpose(matrix))[1][:, -kept:]
        levels = left @ (ops.transpose(left) @ matrix)
    else:
        right = ops.linalg.eigh(ops.transpose(matrix) @ matrix)[1][:, -kept:]
        levels = (matrix @ right) @ ops.transpose(right)
    return ops.reshape(levels, x.shape)


def _sign(x):
    return ops.where(x >= 0, ops.ones_like(x), -ops.ones_like(x))


def _drawn(x, noise):
    probability = ops.clip(0.2 * ops.abs(x) + 0.5, 0.0, 1.0)
    return noise(ops.shape(x)) < probability
