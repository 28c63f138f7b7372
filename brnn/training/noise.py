"""Random numbers that are the same in XLA and in TensorFlow's graph mode."""

import tensorflow as tf

from brnn.contracts import Array

BITS = 24  # of a float32 in [0, 1)


def uniform(shape: Array, seed: Array) -> Array:
    """Return uniform float32 values in [0, 1) from whole numbers.

    XLA and graph mode make floats of other bits of the same whole numbers.

    Args:
        shape: of the result.
        seed: two integers.
    """
    words = tf.random.stateless_uniform(shape, seed, None, None, tf.uint32, alg="philox")
    high = tf.bitwise.right_shift(words, tf.constant(32 - BITS, tf.uint32))
    return tf.cast(high, tf.float32) * 2.0**-BITS
