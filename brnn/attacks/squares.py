"""Random squares: how the attack `square` starts, and what it tries next.

Shapes: images (n, height, width, channels), seeds two integers, sides whole numbers of pixels.
"""

import math

import numpy as np
import tensorflow as tf

from brnn.attacks.goals import TINY, fold, length, random_signs, steepest

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # in 10,000ths of the queries
TILES = 5  # along an image, at the start in L2


def as_image(shape):
    """Return the shape (-1, height, width, channels) of inputs (n, *d).

    A vector is one row; of more than three axes the first count as the height.
    """
    axes = {1: (1, *shape[1:], 1), 2: (*shape[1:], 1)}.get(len(shape) - 1, shape[1:])
    return -1, math.prod(axes[:-2]), *axes[-2:]


def side_lengths(queries, share, height, width, norm):
    """Return the side of the square at each query but the first, int32.

    A square covers `share` of the image, halved at the queries of the paper. In L2, where it has
    two bumps, its side is odd, and at least 3.

    Args:
        queries: of the whole attack.
        share: of the image that the first squares cover.
        height: of an image.
        width: of an image.
        norm: of the budget.
    """
    least = 1 if norm == "linf" else 3
    progress = np.arange(max(queries - 1, 1)) * 10_000 // queries
    halvings = sum((progress > limit).astype(int) for limit in HALVINGS)
    sides = np.round(np.sqrt(share / 2.0**halvings * height * width))
    sides = np.clip(sides, least, max(least, max(height, width) - 1)).astype("int32")
    return sides if norm == "linf" else sides | 1


def start(ball, seed):
    """Return the first images: columns of +-epsilon in L-inf, tiles of bumps in L2."""
    pattern = {"linf": _stripes, "l2": _tiles}[ball.norm]
    return ball.project(ball.center + ball.epsilon * pattern(ball.center, seed))


def propose(ball, best, side, seed):
    """Return the best images so far with one random square of each changed."""
    change = {"linf": _flat_square, "l2": _bumpy_square}[ball.norm]
    return ball.project(change(ball, best, side, seed))


def _stripes(images, seed):
    """Return columns of -1 or 1."""
    shape = tf.shape(images)
    return random_signs((shape[0], 1, shape[2], shape[3]), seed)


def _tiles(images, seed):
    """Return squares of bumps of random signs, side by side, with the L2 norm 1."""
    _, height, width, channels = images.shape
    side = max(1, max(height, width) // TILES)
    row, column = tf.range(height)[None, :, None] % side, tf.range(width)[None, None] % side
    shape = (tf.shape(images)[0], -(-height // side), -(-width // side), channels)
    signs = random_signs(shape, seed)
    signs = tf.repeat(tf.repeat(signs, side, axis=1), side, axis=2)[:, :height, :width]
    return steepest(signs * _bumps(row, column, side)[..., None], "l2")


def _flat_square(ball, best, side, seed):
    """Set one square of each image to +-epsilon from the original."""
    shape = tf.shape(best)
    signs = random_signs((shape[0], 1, 1, shape[3]), fold(seed, 2))
    return tf.where(_window(best, side, seed)[2], ball.center + ball.epsilon * signs, best)


def _bumpy_square(ball, best, side, seed):
    """Add bumps to one square of each image, with the share of epsilon of another, reset."""
    height, channels = best.shape[1], best.shape[3]
    change = best - ball.center
    row, column, window = _window(best, side, seed)
    _, _, other = _window(best, side, fold(seed, 2))
    draw = tf.random.stateless_uniform((tf.shape(best)[0], 1, 1), fold(seed, 3))
    turned = draw < (0.5 if height > 1 else 1.0)
    bumps = tf.where(turned, _bumps(column, row, side), _bumps(row, column, side))[..., None]
    old, bumps = tf.where(window, change, 0.0), tf.where(window, bumps, 0.0)
    signs = random_signs((tf.shape(best)[0], 1, 1, channels), fold(seed, 4))
    new = _unit(bumps) * signs + _unit(old)
    spare = tf.maximum(ball.epsilon**2 - length(change, "l2") ** 2, 0.0) / channels
    freed = tf.where(window | other, change, 0.0) ** 2
    budget = spare + tf.reduce_sum(freed, axis=(1, 2), keepdims=True)
    change = tf.where(window, _unit(new) * tf.sqrt(budget), tf.where(other, 0.0, change))
    return ball.center + ball.epsilon * steepest(change, "l2")


def _window(images, side, seed):
    """Return a random square of each image.

    It is given as each pixel's row (n, height, 1) and column (n, 1, width) from the square's
    corner, and as whether the pixel is inside (n, height, width, 1).
    """
    offsets, inside = [], []
    for axis, extent in enumerate(images.shape[1:3]):
        draw = tf.random.stateless_uniform(tf.shape(images)[:1], fold(seed, axis))
        span = tf.minimum(side, extent)
        corner = tf.cast(draw * tf.cast(extent - span + 1, tf.float32), tf.int32)
        offset = tf.range(extent)[None] - corner[:, None]
        offsets.append(offset)
        inside.append((offset >= 0) & (offset < span))
    both = inside[0][:, :, None] & inside[1][:, None]
    return offsets[0][:, :, None], offsets[1][:, None], both[..., None]


def _bumps(along, across, side):
    """Return two bumps of opposite sign, one after the other.

    At ring k around its centre a bump has the height 1 / (k + 1)^2 + … + 1 / m^2, with m the
    number of its outermost ring.
    """
    half = side // 2
    first = along < half
    offset, extent = tf.where(first, along, along - half), tf.where(first, half, side - half)
    outermost = half + 1
    ring = tf.minimum(tf.maximum(tf.abs(offset - extent // 2), tf.abs(across - half)), outermost)
    terms = 1 / tf.cast(tf.range(1, outermost + 1), tf.float32) ** 2
    sums = tf.concat([[0.0], tf.cumsum(terms)], 0)
    height = sums[outermost] - tf.gather(sums, ring)
    return tf.where(first, height, -height)


def _unit(x):
    """Return each channel of each image with the L2 norm 1, or 0."""
    return x / tf.maximum(tf.norm(x, axis=(1, 2), keepdims=True), TINY)
