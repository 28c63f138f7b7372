"""Exact sums of products of whole numbers, in the types that processors multiply fastest.

Shapes: codes (n, k), the inputs of a layer as whole numbers; kernel (k, m) of -1, 0 and 1; sums
(n, m). docs/explanation/arithmetic.md states what is exact, and why.
"""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from brnn.contracts import Array
from brnn.training import xla_products

LARGEST = 255.0  # of a byte
ROUNDING = 1e-4  # distance from a whole number that the rounding of pixels explains
EXACT = 256  # bfloat16 holds every whole number up to this, and every even one up to twice as much


@tf.custom_gradient
def to_whole(x: Array) -> tuple[Array, Callable]:
    """Return pixels times 255; those of bytes are whole numbers again, despite their rounding."""
    scaled = x * LARGEST
    nearest = tf.round(scaled)
    whole = tf.where(tf.abs(scaled - nearest) < ROUNDING, nearest, scaled)
    return whole, lambda upstream: upstream * LARGEST


@dataclass(frozen=True)
class Form:
    """A way to compute the sums.

    Args:
        encode: float32 codes from -1 to 1 to what `multiply` takes.
        multiply: `multiply(encoded, kernel, signs)` returns the sums; `signs` states that neither
            side has a 0, so that bfloat16 is exact for twice as many products.
        multiply_pixels: `multiply_pixels(pixels, kernel, whole)`: the same for pixels from 0 to
            255, as bytes or float32; `whole` states that they are whole numbers.
        multiply_real: the same for real numbers, not encoded.
        graph_only: whether XLA shall not compile it, since it is missing or slow there.
    """

    encode: Callable[[Array], Array]
    multiply: Callable[[Array, Array, bool], Array]
    multiply_pixels: Callable[[Array, Array, bool], Array]
    multiply_real: Callable[[Array, Array], Array]
    graph_only: bool = False


def _multiply(codes: Array, kernel: Array, signs: bool) -> Array:
    return tf.matmul(codes, kernel)


def _multiply_pixels(pixels: Array, kernel: Array, whole: bool = False) -> Array:
    return tf.matmul(tf.cast(pixels, tf.float32), kernel)


def _multiply_bfloat16(codes: Array, kernel: Array, signs: bool) -> Array:
    """Return the sums, added from parts that are each exact; gradients are rounded to bfloat16."""
    inner = kernel.shape[0]
    size = 2 * EXACT if signs and inner % 2 == 0 else EXACT  # sums of signs are even with `inner`

    @tf.custom_gradient
    def multiply(codes: Array, kernel: Array) -> tuple[Array, Callable]:
        starts = range(0, inner, size)
        sums = [tf.matmul(codes[:, s : s + size], kernel[s : s + size]) for s in starts]
        return added(sums), lambda upstream: _gradients(codes, kernel, upstream)

    return multiply(codes, tf.cast(kernel, tf.bfloat16))


def added(sums: list[Array]) -> Array:
    """Return the sum of exact sums in bfloat16, in float32 where there are several."""
    return sums[0] if len(sums) == 1 else tf.add_n([tf.cast(part, tf.float32) for part in sums])


def _gradients(codes: Array, kernel: Array, upstream: Array) -> tuple[Array, Array]:
    """Return those of a product of bfloat16, rounded to it."""
    upstream = tf.cast(upstream, tf.bfloat16)
    of_codes = tf.matmul(upstream, kernel, transpose_b=True)
    return of_codes, tf.matmul(codes, upstream, transpose_a=True)


def _multiply_pixels_bfloat16(pixels: Array, kernel: Array, whole: bool) -> Array:
    """Return the sums in float32, whose gradients are computed in bfloat16."""

    @tf.custom_gradient
    def multiply(pixels: Array, kernel: Array) -> tuple[Array, Callable]:
        def gradients(upstream: Array) -> tuple[Array, Array]:
            narrow, levels = (tf.cast(x, tf.bfloat16) for x in (pixels, kernel))
            of_pixels, of_kernel = _gradients(narrow, levels, upstream)
            return tf.cast(of_pixels, tf.float32), tf.cast(of_kernel, tf.float32)

        return _multiply_pixels(pixels, kernel), gradients

    return multiply(pixels, kernel)


def _multiply_int8(codes: Array, kernel: Array, signs: bool) -> Array:
    """Return the sums of codes encoded as bytes 0 to 2, less the 1 that was added to each code."""
    kernel = tf.cast(kernel, tf.int8)
    shift = tf.reduce_sum(tf.cast(kernel, tf.int32), axis=0)
    return _multiply_bytes(codes, kernel, -shift)


def _multiply_pixels_int8(pixels: Array, kernel: Array, whole: bool) -> Array:
    no_bias = tf.zeros(kernel.shape[1:], tf.int32)
    return _multiply_bytes(tf.cast(pixels, tf.uint8), tf.cast(kernel, tf.int8), no_bias)


def _multiply_bytes(x: Array, kernel: Array, bias: Array) -> Array:
    """Return the product of bytes and int8 plus a bias as int32, by oneDNN.

    Both ranges have the scale 1, so that the result is the sum itself.
    """
    result = tf.raw_ops.QuantizedMatMulWithBias(
        a=tf.bitcast(x, tf.quint8),
        b=tf.bitcast(kernel, tf.qint8),
        bias=tf.bitcast(bias, tf.qint32),
        min_a=0.0,
        max_a=255.0,
        min_b=-127.0,
        max_b=127.0,
        Toutput=tf.qint32,
    )
    return tf.bitcast(result.out, tf.int32)


def _multiply_pixels_xla_bfloat16(pixels: Array, kernel: Array, whole: bool) -> Array:
    pixels = tf.cast(pixels, tf.float32)
    multiply = xla_products.multiply_bfloat16 if whole else xla_products.multiply_float32
    return multiply(pixels, kernel)


FORMS = {  # those of XLA also run in graph mode, compiled alone
    "float32": Form(lambda x: x, _multiply, _multiply_pixels, tf.matmul),
    "bfloat16": Form(
        lambda x: tf.cast(x, tf.bfloat16),
        _multiply_bfloat16,
        _multiply_pixels_bfloat16,
        tf.matmul,
        graph_only=True,
    ),
    "int8": Form(  # without gradients
        lambda x: tf.cast(x + 1.0, tf.uint8),
        _multiply_int8,
        _multiply_pixels_int8,
        tf.matmul,
        graph_only=True,
    ),
    "xla_bfloat16": Form(
        lambda x: x,
        lambda codes, kernel, signs: xla_products.multiply_bfloat16(codes, kernel),
        _multiply_pixels_xla_bfloat16,
        tf.matmul,
    ),
    "xla_int8": Form(  # without gradients
        lambda x: tf.cast(x, tf.int8),
        lambda codes, kernel, signs: xla_products.multiply_int8(codes, kernel),
        lambda pixels, kernel, whole: xla_products.multiply_bytes(pixels, kernel),
        tf.matmul,
    ),
}
