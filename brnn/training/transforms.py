"""Transforms: random changes of images, each drawn for every image on its own.

Shapes: images x (n, height, width) or (n, height, width, channels), pixels in [0, 1]; `noise` draws
uniform values in [0, 1). Lengths are in pixels. All are traced into a TensorFlow graph.
"""

import tensorflow as tf

from brnn.contracts import Array, Noise

AXES = (1, 2)  # of the height and the width


def shift(x: Array, noise: Noise, pixels: int) -> Array:
    """Return images moved along each axis by -pixels, …, or pixels; pixels of the edge repeat."""
    for axis in AXES:
        x = _window(x, axis, _whole(noise, x, 2 * pixels + 1) - pixels, x.shape[axis])
    return x


def pad_and_crop(x: Array, noise: Noise, pixels: int) -> Array:
    """Return windows of the images' size, cut at random from the images padded with zeros.

    References:
        He et al. 2016, arXiv:1512.03385, with pixels = 4.
    """
    padding = [(pixels, pixels) if axis in AXES else (0, 0) for axis in range(len(x.shape))]
    padded = tf.pad(x, padding)
    for axis in AXES:
        padded = _window(padded, axis, _whole(noise, x, 2 * pixels + 1), x.shape[axis])
    return padded


def flip(x: Array, noise: Noise) -> Array:
    """Return images, each mirrored left to right with probability 1/2."""
    return tf.where(_aligned(noise(tf.shape(x)[:1]) < 0.5, x), x[:, :, ::-1], x)


def cutout(x: Array, noise: Noise, pixels: int) -> Array:
    """Return images with a black square of side `pixels`, whose centre is any pixel.

    The part of a square that lies outside the image is lost.

    References:
        DeVries and Taylor 2017, arXiv:1708.04552.
    """
    rows, columns = (_interval(x, axis, noise, pixels) for axis in AXES)
    return tf.where(_aligned(rows[:, :, None] & columns[:, None], x), 0.0, x)


def _interval(x: Array, axis: int, noise: Noise, length: int) -> Array:
    """Return which indices of an axis lie in a random interval of each image: bool (n, size)."""
    indices = tf.range(x.shape[axis])
    first = _whole(noise, x, x.shape[axis])[:, None] - length // 2
    return (indices >= first) & (indices < first + length)


def _window(x: Array, axis: int, first: Array, size: int) -> Array:
    """Return `size` entries of an axis, from `first` of each image; the ends of the axis repeat."""
    indices = tf.clip_by_value(first[:, None] + tf.range(size), 0, x.shape[axis] - 1)
    return tf.gather(x, indices, axis=axis, batch_dims=1)


def _whole(noise: Noise, x: Array, count: int) -> Array:
    """Return a whole number from 0 to count - 1 for each image, int32 (n,)."""
    return tf.cast(noise(tf.shape(x)[:1]) * count, tf.int32)


def _aligned(values: Array, x: Array) -> Array:
    """Return values of the first axes of x with further axes of size 1."""
    for _ in range(len(x.shape) - len(values.shape)):
        values = values[..., None]
    return values
