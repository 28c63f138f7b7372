"""Convolutions of whole numbers, exact in float32 and bfloat16.

Shapes: codes (n, height, width, channels); kernel (height, width, channels, filters); sums (n,
height, width, filters).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from brnn.contracts import Array
from brnn.training.products import EXACT, FORMS, Form, added

FEW = 8  # channels


def convolution(name: str, shape: Sequence[int], strides: Sequence[int], padding: str) -> Form:
    """Return a form of a convolution.

    Args:
        name: `float32` or `bfloat16`; kernels of more than 256 pixels or less than 8 channels have
            float32 alone, the latter because it is faster.
        shape: that of the kernel.
        strides: of rows and columns.
        padding: `valid` or `same`.
    """
    keys = {"strides": [1, *strides, 1], "padding": padding.upper()}
    convolve = partial(tf.nn.conv2d, **keys)
    if name == "float32" or shape[0] * shape[1] > EXACT or shape[2] < FEW:
        return Form(
            encode=lambda x: x,
            multiply=lambda codes, kernel, signs: convolve(codes, kernel),
            multiply_pixels=lambda x, kernel, whole: convolve(tf.cast(x, tf.float32), kernel),
            multiply_real=convolve,
        )
    return Form(
        encode=FORMS["bfloat16"].encode,
        multiply=partial(_convolve_bfloat16, keys),
        multiply_pixels=partial(_convolve_pixels_bfloat16, keys),
        multiply_real=convolve,
        graph_only=True,
    )


def exact_channels(shape: Sequence[int], signs: bool) -> int:
    """Return how many channels one convolution in bfloat16 may sum to be exact.

    Args:
        shape: that of the kernel.
        signs: whether neither side has a 0, but for whole pixels of padding. Then sums over an even
            number of channels are even.
    """
    height, width, channels, _ = shape
    limit = 2 * EXACT if signs and channels % 2 == 0 else EXACT
    size = min(channels, limit // (height * width))
    if size == channels:
        return channels
    return max(1, size - size % (16 if size > 16 else 2))  # vectors have 16 or 32 numbers


def _convolve_bfloat16(keys: Mapping[str, Any], codes: Array, kernel: Array, signs: bool) -> Array:
    """Return the sums, added from parts that are each exact; gradients are rounded to bfloat16."""
    size, channels = exact_channels(kernel.shape, signs), kernel.shape[2]

    @tf.custom_gradient
    def convolve(codes: Array, kernel: Array) -> tuple[Array, Callable]:
        sums = [
            tf.nn.conv2d(codes[..., s : s + size], kernel[:, :, s : s + size], **keys)
            for s in range(0, channels, size)
        ]
        return added(sums), partial(_gradients, keys, codes, kernel)

    return convolve(codes, tf.cast(kernel, tf.bfloat16))


def _convolve_pixels_bfloat16(
    keys: Mapping[str, Any], pixels: Array, kernel: Array, whole: bool
) -> Array:
    """Return the sums in float32, whose gradients are computed in bfloat16."""

    @tf.custom_gradient
    def convolve(pixels: Array, kernel: Array) -> tuple[Array, Callable]:
        def gradients(upstream: Array) -> tuple[Array, ...]:
            narrow, levels = (tf.cast(x, tf.bfloat16) for x in (pixels, kernel))
            of_pixels, of_kernel = _gradients(keys, narrow, levels, upstream)
            return tf.cast(of_pixels, tf.float32), tf.cast(of_kernel, tf.float32)

        return tf.nn.conv2d(tf.cast(pixels, tf.float32), kernel, **keys), gradients

    return convolve(pixels, kernel)


def _gradients(
    keys: Mapping[str, Any], codes: Array, kernel: Array, upstream: Array
) -> tuple[Array, Array]:
    backward = {**keys, "out_backprop": tf.cast(upstream, tf.bfloat16)}
    return (
        tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(codes), filter=kernel, **backward),
        tf.raw_ops.Conv2DBackpropFilter(input=codes, filter_sizes=tf.shape(kernel), **backward),
    )
