"""Sums of products of bfloat16 and of int8 as XLA computes them, wide enough to be exact.

TensorFlow's graph mode returns a product of bfloat16 as bfloat16. XLA adds it in float32, by matrix
units where the processor has them. Shapes as in `brnn.training.products`.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from brnn.contracts import Array
from brnn.training.fused import by_xla

MIDDLE = 128  # pixels less this are int8


@tf.custom_gradient
def multiply_bfloat16(codes: Array, kernel: Array) -> tuple[Array, Callable]:
    """Return the sums in float32; the factors of gradients are rounded to bfloat16."""
    return by_xla(_sums)(codes, kernel), lambda upstream: by_xla(_gradients)(
        codes, kernel, upstream
    )


@tf.custom_gradient
def multiply_real(pixels: Array, kernel: Array) -> tuple[Array, Callable]:
    """Return the sums of real numbers, in float32, with the gradients of `multiply_bfloat16`."""
    return tf.matmul(pixels, kernel), lambda upstream: by_xla(_gradients)(pixels, kernel, upstream)


def multiply_int8(codes: Array, kernel: Array) -> Array:
    """Return the sums of codes of int8, in int32."""
    return by_xla(_whole_sums)(codes, tf.cast(kernel, tf.int8))


def multiply_bytes(pixels: Array, kernel: Array) -> Array:
    """Return the sums of whole numbers from 0 to 255, in int32."""
    kernel = tf.cast(kernel, tf.int8)
    shifted = tf.cast(tf.cast(pixels, tf.int32) - MIDDLE, tf.int8)
    shift = MIDDLE * tf.reduce_sum(tf.cast(kernel, tf.int32), axis=0)
    return by_xla(_whole_sums)(shifted, kernel) + shift


def _sums(x: Array, y: Array, transpose_b: bool = False) -> Array:
    x, y = (tf.cast(factor, tf.bfloat16) for factor in (x, y))
    return tf.matmul(x, y, transpose_b=transpose_b, output_type=tf.float32)


def _whole_sums(x: Array, y: Array) -> Array:
    return tf.matmul(x, y, output_type=tf.int32)


def _gradients(codes: Array, kernel: Array, upstream: Array) -> tuple[Array, Array]:
    return _sums(upstream, kernel, transpose_b=True), _sums(_across(codes), upstream)


def _across(codes: Array) -> Array:
    """Return the transpose in bfloat16, by an operation of its own.

    XLA would join it to the product, and has no fast product of a transposed left side. A condition
    that it cannot decide before it runs, though all numbers fulfil it, keeps them apart.
    """
    narrow = tf.cast(codes, tf.bfloat16)
    if tf.config.list_physical_devices("GPU"):
        return tf.transpose(narrow)
    return tf.cond(
        codes[0, 0] <= np.inf,
        lambda: tf.transpose(narrow),
        lambda: tf.zeros((codes.shape[1], tf.shape(codes)[0]), tf.bfloat16),
    )
