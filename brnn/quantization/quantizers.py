"""Quantizers: the discrete levels of a weight or an activation.

Each function has the contract `brnn.contracts.Quantizer`: latent values `x` to levels of the same
shape and type. Stochastic quantizers draw from `noise(shape)`, uniform in [0, 1); where `noise` is
None they return their deterministic levels.
"""

import math
from typing import Literal

import numpy as np
from keras import ops

from brnn.config.ranges import Positive, PositiveShare, ProperShare
from brnn.contracts import Array, Noise

SMALLEST = 2.0**-126  # normal float32, so that nothing is divided by 0
EXPONENTS = range(-126, 128)  # of normal float32 numbers


def binary(x: Array, noise: Noise | None, *, scale: Positive) -> Array:
    """Return +scale where x >= 0, else -scale.

    Zero is positive, so that one bit holds a level.

    References:
        Courbariaux et al. 2015, arXiv:1511.00363.
    """
    return scale * _sign(x)


def stochastic_binary(x: Array, noise: Noise | None, *, scale: Positive) -> Array:
    """Return scale sign(x) with probability clip(0.2 |x| + 0.5, 0, 1), else -scale sign(x).

    Without noise it is `binary`.
    """
    if noise is None:
        return binary(x, noise, scale=scale)
    return ops.where(_is_drawn(x, noise), scale, -scale) * _sign(x)


def ternary(x: Array, noise: Noise | None, *, scale: Positive) -> Array:
    """Return 0 where |x| < scale / 2, else scale sign(x)."""
    return ops.where(ops.abs(x) < scale / 2, 0.0, scale) * _sign(x)


def stochastic_ternary(x: Array, noise: Noise | None, *, scale: Positive) -> Array:
    """Return scale sign(x) with probability clip(0.2 |x| + 0.5, 0, 1), else 0.

    Without noise it is `ternary`.
    """
    if noise is None:
        return ternary(x, noise, scale=scale)
    return ops.where(_is_drawn(x, noise), scale, 0.0) * _sign(x)


def exponential(x: Array, noise: Noise | None) -> Array:
    """Return sign(x) 2^round(log2 |x|), and 0 at 0: a product with such a weight is a bit shift.

    References:
        Ott et al. 2016, arXiv:1608.06902.
    """
    exponent = ops.round(ops.log2(ops.maximum(ops.abs(x), 2.0 ** EXPONENTS[0])))
    table = ops.convert_to_tensor(np.ldexp(1.0, EXPONENTS).astype("float32"))  # XLA's exp2 rounds
    power = ops.take(table, ops.cast(exponent, "int32") - EXPONENTS[0])
    return ops.where(ops.abs(x) < 2.0 ** EXPONENTS[0], 0.0, power) * _sign(x)


def low_rank(x: Array, noise: Noise | None, *, ratio: PositiveShare) -> Array:
    """Return x with its ceil(ratio min(m, n)) largest singular values; a vector is unchanged.

    x (…, n) is read as a matrix (m, n), m the product of all axes but the last.
    """
    if len(x.shape) < 2:
        return x
    matrix = ops.reshape(x, (-1, x.shape[-1]))
    rank = math.ceil(ratio * min(matrix.shape))
    # Eigenvectors of the smaller Gram matrix: 3 to 5 times as fast as an SVD.
    if matrix.shape[0] < matrix.shape[1]:
        u = ops.linalg.eigh(matrix @ ops.transpose(matrix))[1][:, -rank:]
        levels = u @ (ops.transpose(u) @ matrix)
    else:
        v = ops.linalg.eigh(ops.transpose(matrix) @ matrix)[1][:, -rank:]
        levels = (matrix @ v) @ ops.transpose(v)
    return ops.reshape(levels, x.shape)


def absmean_binary(x: Array, noise: Noise | None, *, by: Literal["tensor", "channel"]) -> Array:
    """Return s sign(x), s = mean |x|: the levels of two values that are nearest to x.

    Args:
        x: latent weights.
        noise: not used.
        by: whether s is the mean over the tensor, or for each of its last axis; of a vector it is
            always the mean over all.

    References:
        Rastegari et al. 2016, arXiv:1603.05279 (XNOR-Net).
    """
    return _mean(ops.abs(x), by) * _sign(x)


def absmean_ternary(x: Array, noise: Noise | None, *, by: Literal["tensor", "channel"]) -> Array:
    """Return s clip(round(x / s), -1, 1), s = mean |x|.

    Args:
        x: latent weights.
        noise: not used.
        by: see `absmean_binary`.

    References:
        Ma et al. 2024, arXiv:2402.17764 (BitNet b1.58), by tensor.
    """
    scale = ops.maximum(_mean(ops.abs(x), by), SMALLEST)
    return scale * ops.clip(ops.round(x / scale), -1.0, 1.0)


def threshold_ternary(x: Array, noise: Noise | None, *, by: Literal["tensor", "channel"]) -> Array:
    """Return 0 where |x| <= 0.7 mean |x|, else ± the mean of the other |x|.

    Args:
        x: latent weights.
        noise: not used.
        by: see `absmean_binary`.

    References:
        Li, Zhang and Liu 2016, arXiv:1605.04711 (ternary weight networks).
    """
    size = ops.abs(x)
    kept = ops.cast(size > 0.7 * _mean(size, by), x.dtype)
    scale = _mean(size * kept, by) / ops.maximum(_mean(kept, by), SMALLEST)
    return scale * kept * _sign(x)


def trained_ternary(
    x: Array, noise: Noise | None, *, positive: Positive, negative: Positive, threshold: ProperShare
) -> Array:
    """Return `positive` where x > t max |x|, -`negative` where x < -t max |x|, else 0.

    Args:
        x: latent weights.
        noise: not used.
        positive: the level above 0; a tensor where it is learned.
        negative: the size of the level below 0; a tensor where it is learned.
        threshold: t.

    References:
        Zhu et al. 2016, arXiv:1612.01064 (trained ternary quantization): t = 0.05.
    """
    cut = threshold * ops.max(ops.abs(x))
    return ops.where(x > cut, positive, ops.where(x < -cut, -negative, ops.zeros_like(x)))


def _mean(x: Array, by: str) -> Array:
    """Return the mean of a tensor, or for each of its last axis."""
    axes = list(range(len(x.shape) - 1)) if by == "channel" and len(x.shape) > 1 else None
    return ops.mean(x, axis=axes, keepdims=True)


def _sign(x: Array) -> Array:
    """Return the sign of x, +1 at 0."""
    return ops.where(x >= 0, ops.ones_like(x), -ops.ones_like(x))


def _is_drawn(x: Array, noise: Noise) -> Array:
    """Return true with probability clip(0.2 |x| + 0.5, 0, 1)."""
    probability = ops.clip(0.2 * ops.abs(x) + 0.5, 0.0, 1.0)
    return noise(ops.shape(x)) < probability
