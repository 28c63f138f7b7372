"""Products of bfloat16 and of int8 in XLA, which adds them in float32 and int32.

TensorFlow's graph mode returns a product of bfloat16 as bfloat16. Shapes as in
`brnn.training.products`.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import tensorflow as tf

from brnn.contracts import Array
from brnn.training.fused import by_xla

MIDDLE = 128  # bytes minus this fit int8


def multiply_bfloat16(x: Array, y: Array, transpose_b: bool = False) -> Array:
    """Return x y, or x y^T, of factors rounded to bfloat16, added in float32; gradients alike.

    Args:
        x: (n, k), float32 or bfloat16; at least one row.
        y: (k, m), or (m, k) with `transpose_b`.
        transpose_b: whether to transpose `y`.
    """

    @tf.custom_gradient
    def multiply(x: Array, y: Array) -> tuple[Array, Callable]:
        def gradients(upstream: Array) -> tuple[Array, Array]:
            of_x = multiply_bfloat16(upstream, y, not transpose_b)
            left, right = (upstream, x) if transpose_b else (x, upstream)
            of_y = multiply_bfloat16(_transposed(left), right)
            return tf.cast(of_x, x.dtype), tf.cast(of_y, y.dtype)

        product = by_xla(partial(_product, transpose_b=transpose_b))
        return product(tf.stop_gradient(x), tf.stop_gradient(y)), gradients

    return multiply(x, y)


@tf.custom_gradient
def multiply_float32(x: Array, kernel: Array) -> tuple[Array, Callable]:
    """Return the sums of float32, with the gradients of `multiply_bfloat16`."""

    def gradients(upstream: Array) -> tuple[Array, Array]:
        of_kernel = multiply_bfloat16(_transposed(x), upstream)
        return multiply_bfloat16(upstream, kernel, transpose_b=True), of_kernel

    return tf.matmul(x, kernel), gradients


def multiply_int8(codes: Array, kernel: Array) -> Array:
    """Return the sums of codes of int8, in int32; without gradient."""
    return by_xla(_product_int8)(codes, tf.cast(kernel, tf.int8))


def multiply_bytes(pixels: Array, kernel: Array) -> Array:
    """Return the sums of whole numbers from 0 to 255, in int32; without gradient."""
    kernel = tf.cast(kernel, tf.int8)
    shifted = tf.cast(tf.cast(pixels, tf.int32) - MIDDLE, tf.int8)
    shift = MIDDLE * tf.reduce_sum(tf.cast(kernel, tf.int32), axis=0)
    return by_xla(_product_int8)(shifted, kernel) + shift


def _product(x: Array, y: Array, transpose_b: bool) -> Array:
    """Return the product, plus a 0 that XLA does not know to be one.

    XLA may join a product of bfloat16 to an operation that follows it, for which it then has no
    code. It does not join the sum of a product and a number.
    """
    x, y = (tf.cast(factor, tf.bfloat16) for factor in (x, y))
    zero = 0.0 * tf.cast(x[0, 0], tf.float32)
    return tf.matmul(x, y, transpose_b=transpose_b, output_type=tf.float32) + zero


def _product_int8(x: Array, y: Array) -> Array:
    return tf.matmul(x, y, output_type=tf.int32)


def _transposed(x: Array) -> Array:
    """Return the transpose in bfloat16, by an operation of its own.

    XLA would join it to the product, and has no fast product of a transposed left side. A condition
    that it cannot decide before it runs, though all numbers fulfil it, keeps them apart.
    """
    narrow = tf.cast(x, tf.bfloat16)
    if tf.config.list_physical_devices("GPU"):
        return tf.transpose(narrow)
    shape = (x.shape[1], tf.shape(x)[0])
    return tf.cond(
        x[0, 0] <= np.inf,
        lambda: tf.transpose(narrow),
        lambda: tf.fill(shape, tf.cast(np.nan, tf.bfloat16)),
    )
