"""Attacks that use no gradient: what they break, no estimator can hide.

Each function has the contract of `brnn.attacks`. `net` is called, and never differentiated.
"""

from typing import Literal

import numpy as np
import tensorflow as tf

from brnn.attacks.goals import TINY, Ball, Goal, fold, length, per_image, repeat, steepest
from brnn.config.ranges import Count, Positive, Share

SEES_GRADIENT = False
SQUARE_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # in 10,000ths of the queries
TILES = 5  # along an image, of the start of the attack by squares in L2
BOUNDARY_STEPS = 12  # halvings of the line between an image and its adversarial


def noise(
    net,
    x,
    labels,
    seed,
    *,
    epsilon: Positive,
    norm: Literal["linf", "l2"],
    draws: Count,
    targeted: bool,
):
    """The first of `draws` random perturbations of full size that reaches the goal, else the last.

    In L-inf each pixel moves by +-epsilon, which breaks more than uniform noise; in L2 the direction is uniform.
    """
    goal, ball = Goal(net, labels, targeted), Ball(x, epsilon, norm)

    def step(number, result, done):
        draw = tf.random.stateless_uniform if norm == "linf" else tf.random.stateless_normal
        way = ball.direction(
            draw(tf.shape(x), fold(seed, number)) - (0.5 if norm == "linf" else 0.0)
        )
        result = tf.where(per_image(done, x), result, ball.project(x + epsilon * way))
        return result, goal.reached(net(result))

    return repeat(draws, step, x, tf.zeros_like(labels, tf.bool))[0]


def square(
    net,
    x,
    labels,
    seed,
    *,
    epsilon: Positive,
    norm: Literal["linf", "l2"],
    queries: Count,
    share: Share,
    targeted: bool,
):
    """Random squares, kept where they raise the margin; a vector is an image of one row.

    In L-inf a square is of +-epsilon, in L2 it has two bumps of opposite sign, and takes what it needs of the budget
    from another. Squares cover `share` of the image at first and less and less later. Andriushchenko et al. 2020,
    arXiv:1912.00049, with share = 0.8.
    """
    goal, shape = Goal(net, labels, targeted, "margin"), x.shape
    images = tf.reshape(x, _as_image(shape))
    ball = Ball(images, epsilon, norm)
    start, propose = {"linf": (_stripes, _flat_square), "l2": (_tiles, _bumpy_square)}[norm]
    sides = tf.constant(
        _sides(queries, share, *images.shape[1:3], least=1 if norm == "linf" else 3)
    )

    def step(number, best, value, done):
        moved = ball.project(propose(ball, best, sides[number], fold(seed, number + 1)))
        raised, reached = _judged(goal, moved, shape)
        better = (raised > value) & ~done
        best, value = (
            tf.where(per_image(better, best), moved, best),
            tf.where(better, raised, value),
        )
        return best, value, done | better & reached

    first = ball.project(images + epsilon * start(images, seed))
    best, *_ = repeat(queries - 1, step, first, *_judged(goal, first, shape))
    return tf.reshape(best, tf.shape(x))


def spsa(
    net,
    x,
    labels,
    seed,
    *,
    epsilon: Positive,
    norm: Literal["linf", "l2"],
    step: Positive,
    iterations: Count,
    samples: Count,
    delta: Positive,
    targeted: bool,
):
    """Projected steps along a gradient of the margin estimated from `samples` pairs of random directions of +-delta.

    Uesato et al. 2018, arXiv:1802.05666, with delta = 0.01; quantized nets need a larger one, to see a change.
    """
    goal, ball = Goal(net, labels, targeted, "margin"), Ball(x, epsilon, norm)

    def move(number, x):
        def pair(sample, slope):
            way = _signs(tf.shape(x), fold(fold(seed, number), sample))
            rise = goal.value(net(x + delta * way)) - goal.value(net(x - delta * way))
            return (slope + per_image(rise, x) * way,)

        (slope,) = repeat(samples, pair, tf.zeros_like(x))
        done = goal.reached(net(x))
        return (
            tf.where(
                per_image(done, x), x, ball.project(x + step * epsilon * ball.direction(slope))
            ),
        )

    return repeat(iterations, move, x)[0]


def hopskipjump(
    net,
    x,
    labels,
    seed,
    *,
    epsilon: Positive,
    norm: Literal["linf", "l2"],
    iterations: Count,
    samples: Count,
    starts: Count,
    targeted: bool,
):
    """Walks along the boundary to the image, from a random image that reaches the goal, by classes alone.

    Each of `iterations` estimates the direction across the boundary from `samples` random steps (times the root of
    its number), and goes back to the boundary. `starts` random images are tried; where none reaches the goal, the
    image stays. What lies beyond epsilon is projected back to it. Chen, Jordan and Wainwright 2020, arXiv:1904.02144.
    """
    goal = Goal(net, labels, targeted)
    size = float(np.prod(x.shape[1:]))

    def start(number, found, done):
        draw = tf.random.stateless_uniform(tf.shape(x), fold(fold(seed, 0), number))
        found = tf.where(per_image(done, x), found, draw)
        return found, goal.reached(net(found))

    found, done = repeat(starts, start, x, goal.reached(net(x)))

    def walk(number, best):
        count = tf.cast(
            tf.math.ceil(float(samples) * tf.sqrt(tf.cast(number + 1, tf.float32))), tf.int32
        )
        distance = length(best - x, norm)
        delta = length(best - x, "l2") / np.sqrt(size)
        way = _across(goal, best, delta, count, fold(seed, number + 1), norm)
        far = distance / tf.sqrt(tf.cast(number + 1, tf.float32))

        def shorter(halvings, moved, arrived):
            step = far / 2 ** tf.cast(halvings, tf.float32)
            moved = tf.where(
                per_image(arrived, x), moved, tf.clip_by_value(best + step * way, 0.0, 1.0)
            )
            return moved, goal.reached(net(moved))

        moved, arrived = repeat(BOUNDARY_STEPS, shorter, best, tf.zeros_like(done))
        moved = _to_boundary(goal, x, moved, norm)
        nearer = done & arrived & tf.reshape(length(moved - x, norm) < distance, (-1,))
        return (tf.where(per_image(nearer, x), moved, best),)

    best = tf.where(per_image(done, x), _to_boundary(goal, x, found, norm), x)
    return Ball(x, epsilon, norm).project(repeat(iterations, walk, best)[0])


def _judged(goal, images, shape):
    logits = goal.net(tf.reshape(images, (-1, *shape[1:])))
    return goal.value(logits), goal.reached(logits)


def _as_image(shape):
    """Height, width and channels: those of the image, or a row of features."""
    return {1: (-1, 1, *shape[1:], 1), 2: (-1, *shape[1:], 1)}.get(len(shape) - 1, (-1, *shape[1:]))


def _sides(queries, share, height, width, least):
    """The side of the square at each query: `share` of the image, halved as in the paper; odd where it has bumps."""
    progress = np.arange(max(queries - 1, 1)) * 10_000 // queries
    halved = sum((progress > limit).astype(int) for limit in SQUARE_HALVINGS)
    sides = np.round(np.sqrt(share / 2.0**halved * height * width))
    sides = np.clip(sides, least, max(least, max(height, width) - 1)).astype("int32")
    return sides | 1 if least > 1 else sides


def _signs(shape, seed):
    """-1 or 1 at random."""
    return tf.where(tf.random.stateless_uniform(shape, seed) < 0.5, -1.0, 1.0)


def _window(images, side, seed):
    """The row and the column of each pixel from the corner of a square at a random place, and which are in it."""
    offsets, inside = [], []
    for number, extent in enumerate(images.shape[1:3]):
        place, span = (
            tf.random.stateless_uniform(tf.shape(images)[:1], fold(seed, number)),
            tf.minimum(side, extent),
        )
        offset = (
            tf.range(extent)[None]
            - tf.cast(place * tf.cast(extent - span + 1, tf.float32), tf.int32)[:, None]
        )
        offsets.append(offset)
        inside.append((offset >= 0) & (offset < span))
    return (
        offsets[0][:, :, None],
        offsets[1][:, None],
        (inside[0][:, :, None] & inside[1][:, None])[..., None],
    )


def _flat_square(ball, best, side, seed):
    """The best images, but one square of each at +-epsilon from the original."""
    shape = tf.shape(best)
    signs = _signs((shape[0], 1, 1, shape[3]), fold(seed, 2))
    return tf.where(_window(best, side, seed)[2], ball.center + ball.epsilon * signs, best)


def _bumpy_square(ball, best, side, seed):
    """The best images at the distance epsilon, with bumps added to one square of each and another set back."""
    height, channels = best.shape[1], best.shape[3]
    change = best - ball.center
    row, column, window = _window(best, side, seed)
    _, _, other = _window(best, side, fold(seed, 2))
    turned = tf.random.stateless_uniform((tf.shape(best)[0], 1, 1), fold(seed, 3)) < (
        0.5 if height > 1 else 1.0
    )
    bumps = tf.where(turned, _bumps(column, row, side), _bumps(row, column, side))[..., None]
    old, bumps = tf.where(window, change, 0.0), tf.where(window, bumps, 0.0)
    new = _unit(bumps) * _signs((tf.shape(best)[0], 1, 1, channels), fold(seed, 4)) + _unit(old)
    spare = tf.maximum(ball.epsilon**2 - length(change, "l2") ** 2, 0.0) / channels
    budget = spare + tf.reduce_sum(
        tf.where(window | other, change, 0.0) ** 2, axis=(1, 2), keepdims=True
    )
    change = tf.where(window, _unit(new) * tf.sqrt(budget), tf.where(other, 0.0, change))
    return ball.center + ball.epsilon * steepest(change, "l2")


def _bumps(along, across, side):
    """Two bumps of opposite sign, one behind the other: sums of 1 / k^2 over the rings from k on."""
    half = side // 2
    first = along < half
    place, extent = tf.where(first, along, along - half), tf.where(first, half, side - half)
    outermost = half + 1
    ring = tf.minimum(tf.maximum(tf.abs(place - extent // 2), tf.abs(across - half)), outermost)
    sums = tf.concat(
        [[0.0], tf.cumsum(1 / tf.cast(tf.range(1, outermost + 1), tf.float32) ** 2)], 0
    )
    height = sums[outermost] - tf.gather(sums, ring)
    return tf.where(first, height, -height)


def _unit(x):
    """Each channel of each image with the L2 norm 1, or 0."""
    return x / tf.maximum(tf.norm(x, axis=(1, 2), keepdims=True), TINY)


def _stripes(images, seed):
    """Columns of -1 or 1."""
    shape = tf.shape(images)
    return _signs((shape[0], 1, shape[2], shape[3]), seed)


def _tiles(images, seed):
    """Squares of bumps of random signs, side by side, with the L2 norm 1."""
    _, height, width, channels = images.shape
    side = max(1, max(height, width) // TILES)
    row, column = tf.range(height)[None, :, None] % side, tf.range(width)[None, None] % side
    signs = _signs((tf.shape(images)[0], -(-height // side), -(-width // side), channels), seed)
    signs = tf.repeat(tf.repeat(signs, side, axis=1), side, axis=2)[:, :height, :width]
    return steepest(signs * _bumps(row, column, side)[..., None], "l2")


def _to_boundary(goal, x, found, norm):
    """The image nearest to `x` on the way from `found`, which reaches the goal, that still reaches it."""
    far = length(found - x, norm)

    def between(share):
        if norm == "l2":
            return x + per_image(share, x) * (found - x)
        reach = per_image(share, x) * far
        return tf.clip_by_value(found, x - reach, x + reach)

    def halve(_, low, high):
        middle = (low + high) / 2
        reached = goal.reached(goal.net(between(middle)))
        return tf.where(reached, low, middle), tf.where(reached, middle, high)

    _, high = repeat(
        BOUNDARY_STEPS, halve, tf.zeros_like(goal.temperature), tf.ones_like(goal.temperature)
    )
    return between(high)


def _across(goal, x, delta, count, seed, norm):
    """The direction into the goal, from the classes of `count` images around each."""

    def look(number, total, plain, hits):
        way = steepest(tf.random.stateless_normal(tf.shape(x), fold(seed, number)), "l2")
        sign = tf.where(
            goal.reached(goal.net(tf.clip_by_value(x + delta * way, 0.0, 1.0))), 1.0, -1.0
        )
        return total + per_image(sign, x) * way, plain + way, hits + sign

    none = tf.zeros_like(x)
    total, plain, hits = repeat(count, look, none, none, tf.zeros_like(goal.temperature))
    mean = hits / tf.cast(count, tf.float32)
    slope = tf.where(
        per_image(tf.abs(mean) < 1 - TINY, x), total - per_image(mean, x) * plain, total
    )
    return steepest(slope, norm)
