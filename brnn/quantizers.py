"""Quantizers: the discrete levels of a weight or an activation.

Each function maps latent values `x` to levels of the same shape and dtype. `seed` is None in evaluation;
in training it is a `keras.random.SeedGenerator`, from which the stochastic quantizers draw anew at every
call. In evaluation they give their deterministic levels.
"""

import numpy as np
from keras import ops, random

from brnn.ranges import Positive, PositiveShare

EXPONENTS = range(-126, 128)  # of the normal float32 numbers


def binary(x, seed, *, scale: Positive):
    """+scale where x >= 0, else -scale: zero is positive, so that one bit is enough.

    Courbariaux et al. 2015, arXiv:1511.00363.
    """
    return scale * _sign(x)


def stochastic_binary(x, seed, *, scale: Positive):
    """Scale sign(x) with probability clip(0.2 |x| + 0.5, 0, 1), else -scale sign(x)."""
    if seed is None:
        return binary(x, seed, scale=scale)
    return ops.where(_drawn(x, seed), scale, -scale) * _sign(x)


def ternary(x, seed, *, scale: Positive):
    """0 where |x| < scale / 2, else scale sign(x)."""
    return ops.where(ops.abs(x) < scale / 2, 0.0, scale) * _sign(x)


def stochastic_ternary(x, seed, *, scale: Positive):
    """Scale sign(x) with probability clip(0.2 |x| + 0.5, 0, 1), else 0; in evaluation that of `ternary`."""
    if seed is None:
        return ternary(x, seed, scale=scale)
    return ops.where(_drawn(x, seed), scale, 0.0) * _sign(x)


def exponential(x, seed):
    """sign(x) 2^round(log2 |x|), and 0 at 0: weights that multiply by a bit shift.

    Ott et al. 2016, arXiv:1608.06902. Powers come from a table, since exp2 is not exact in XLA.
    """
    exponent = ops.round(ops.log2(ops.maximum(ops.abs(x), 2.0 ** EXPONENTS[0])))
    table = ops.convert_to_tensor(np.ldexp(1.0, EXPONENTS).astype("float32"))
    power = ops.take(table, ops.cast(exponent, "int32") - EXPONENTS[0])
    return ops.where(ops.abs(x) < 2.0 ** EXPONENTS[0], 0.0, power) * _sign(x)


def low_rank(x, seed, *, ratio: PositiveShare):
    """The matrix rebuilt from its ceil(ratio rank) leading singular values; a vector stays as it is."""
    if len(x.shape) < 2:
        return x
    matrix = ops.reshape(x, (-1, x.shape[-1]))
    rank = min(matrix.shape)
    kept = int(np.ceil(ratio * rank))
    left, singular, right = ops.svd(matrix, full_matrices=False)
    return ops.reshape((left[:, :kept] * singular[:kept]) @ right[:kept], x.shape)


def _sign(x):
    return ops.where(x >= 0, ops.ones_like(x), -ops.ones_like(x))


def _drawn(x, seed):
    probability = ops.clip(0.2 * ops.abs(x) + 0.5, 0.0, 1.0)
    return random.uniform(ops.shape(x), seed=seed) < probability
