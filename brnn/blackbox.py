"""Attacks that use no gradient: what they break, no estimator can hide.

Each function has the contract of `brnn.attacks`. `net` is called, and never differentiated.
"""

from typing import Literal

import numpy as np
import tensorflow as tf

from brnn.goals import TINY, Ball, Goal, fold, length, steepest, wide
from brnn.ranges import Count, Epsilon, Positive, Share

SQUARE_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # in 10,000ths of the queries
BOUNDARY_STEPS = 12  # halvings of the line between an image and its adversarial


def noise(net, x, labels, seed, *, epsilon: Positive, norm: Literal["linf", "l2"], draws: Count, targeted: bool):
    """The first of `draws` random perturbations of full size that reaches the goal, else the last.

    In L-inf each pixel moves by +-epsilon, which breaks more than uniform noise; in L2 the direction is uniform.
    """
    goal, ball, result, done = Goal(net, labels, targeted), Ball(x, epsilon, norm), x, tf.zeros_like(labels, tf.bool)
    for number in tf.range(draws):
        draw = tf.random.stateless_uniform if norm == "linf" else tf.random.stateless_normal
        way = ball.direction(draw(tf.shape(x), fold(seed, number)) - (0.5 if norm == "linf" else 0.0))
        result = tf.where(wide(done, x), result, ball.project(x + epsilon * way))
        done = goal.reached(net(result))
    return result


def square(net, x, labels, seed, *, epsilon: Epsilon, queries: Count, share: Share, targeted: bool):
    """Random squares of +-epsilon, kept where they raise the margin; L-inf.

    A square covers `share` of the image at first and less and less later. A vector is an image of one row.
    Andriushchenko et al. 2020, arXiv:1912.00049, with share = 0.8.
    """
    goal, shape = Goal(net, labels, targeted, "margin"), x.shape
    images = tf.reshape(x, _as_image(shape))
    height, width, channels = images.shape[1:]
    ball = Ball(images, epsilon, "linf")
    sides = tf.constant(_sides(queries, share, height, width))
    stripes = tf.random.stateless_uniform((tf.shape(x)[0], 1, width, channels), seed)
    best = ball.project(images + epsilon * tf.where(stripes < 0.5, -1.0, 1.0))
    value, done = _judged(goal, best, shape)
    for number in tf.range(queries - 1):
        draw = tf.random.stateless_uniform((3, tf.shape(x)[0], channels), fold(seed, number + 1))
        window = _windows(draw[:2, :, 0], sides[number], height, width)
        change = tf.where(draw[2] < 0.5, -epsilon, epsilon)[:, None, None]
        moved = tf.where(window, ball.project(images + change), best)
        raised, reached = _judged(goal, moved, shape)
        better = (raised > value) & ~done
        best, value = tf.where(wide(better, best), moved, best), tf.where(better, raised, value)
        done |= better & reached
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
    goal, ball, origin = Goal(net, labels, targeted, "margin"), Ball(x, epsilon, norm), x
    for number in tf.range(iterations):
        slope = tf.zeros_like(x)
        for sample in tf.range(samples):
            draw = tf.random.stateless_uniform(tf.shape(x), fold(fold(seed, number), sample))
            way = tf.where(draw < 0.5, -1.0, 1.0)
            rise = goal.value(net(x + delta * way)) - goal.value(net(x - delta * way))
            slope += wide(rise, x) * way
        done = goal.reached(net(x))
        x = tf.where(wide(done, origin), x, ball.project(x + step * epsilon * ball.direction(slope)))
    return x


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
    found, done = x, goal.reached(net(x))
    for number in tf.range(starts):
        draw = tf.random.stateless_uniform(tf.shape(x), fold(fold(seed, 0), number))
        found = tf.where(wide(done, x), found, draw)
        done = goal.reached(net(found))
    best = tf.where(wide(done, x), _to_boundary(goal, x, found, norm), x)
    for number in tf.range(iterations):
        count = tf.cast(tf.math.ceil(float(samples) * tf.sqrt(tf.cast(number + 1, tf.float32))), tf.int32)
        distance = _distance(best - x, norm)
        delta = length(best - x) / np.sqrt(size)
        way = _across(goal, best, delta, count, fold(seed, number + 1), norm)
        step = distance / tf.sqrt(tf.cast(number + 1, tf.float32))
        moved = best
        arrived = tf.zeros_like(done)
        for _ in tf.range(BOUNDARY_STEPS):
            moved = tf.where(wide(arrived, x), moved, tf.clip_by_value(best + step * way, 0.0, 1.0))
            arrived = goal.reached(net(moved))
            step /= 2
        moved = _to_boundary(goal, x, moved, norm)
        nearer = done & arrived & tf.reshape(_distance(moved - x, norm) < distance, (-1,))
        best = tf.where(wide(nearer, x), moved, best)
    return Ball(x, epsilon, norm).project(best)


def _judged(goal, images, shape):
    logits = goal.net(tf.reshape(images, (-1, *shape[1:])))
    return goal.value(logits), goal.reached(logits)


def _as_image(shape):
    """Height, width and channels: those of the image, or a row of features."""
    return {1: (-1, 1, *shape[1:], 1), 2: (-1, *shape[1:], 1)}.get(len(shape) - 1, (-1, *shape[1:]))


def _sides(queries, share, height, width):
    """The side of the square at each query: `share` of the image, halved as in the paper's schedule."""
    progress = np.arange(max(queries - 1, 1)) * 10_000 // queries
    halved = sum((progress > limit).astype(int) for limit in SQUARE_HALVINGS)
    sides = np.round(np.sqrt(share / 2.0**halved * height * width))
    return np.clip(sides, 1, max(1, max(height, width) - 1)).astype("int32")


def _windows(draw, side, height, width):
    """One square of `side` at a random place of each image, as a mask `(n, height, width, 1)`."""
    inside = []
    for place, extent in zip(tf.unstack(draw, num=2), (height, width), strict=True):
        span = tf.minimum(side, extent)
        first = tf.cast(place * tf.cast(extent - span + 1, tf.float32), tf.int32)[:, None]
        pixels = tf.range(extent)[None]
        inside.append((pixels >= first) & (pixels < first + span))
    return (inside[0][:, :, None] & inside[1][:, None])[..., None]


def _distance(change, norm):
    """The norm of each change, in a shape that broadcasts over it."""
    if norm == "l2":
        return length(change)
    return wide(tf.reduce_max(tf.abs(tf.reshape(change, (tf.shape(change)[0], -1))), axis=1), change)


def _to_boundary(goal, x, found, norm):
    """The image nearest to `x` on the way from `found`, which reaches the goal, that still reaches it."""
    low, high = tf.zeros_like(goal.temperature), tf.ones_like(goal.temperature)
    far = _distance(found - x, norm)

    def between(share):
        if norm == "l2":
            return x + wide(share, x) * (found - x)
        reach = wide(share, x) * far
        return tf.clip_by_value(found, x - reach, x + reach)

    for _ in tf.range(BOUNDARY_STEPS):
        middle = (low + high) / 2
        reached = goal.reached(goal.net(between(middle)))
        low, high = tf.where(reached, low, middle), tf.where(reached, middle, high)
    return between(high)


def _across(goal, x, delta, count, seed, norm):
    """The direction into the goal, from the classes of `count` images around each."""
    total, plain, hits = tf.zeros_like(x), tf.zeros_like(x), tf.zeros_like(goal.temperature)
    for number in tf.range(count):
        way = steepest(tf.random.stateless_normal(tf.shape(x), fold(seed, number)), "l2")
        sign = tf.where(goal.reached(goal.net(tf.clip_by_value(x + delta * way, 0.0, 1.0))), 1.0, -1.0)
        total, plain, hits = total + wide(sign, x) * way, plain + way, hits + sign
    mean = hits / tf.cast(count, tf.float32)
    slope = tf.where(wide(tf.abs(mean) < 1 - TINY, x), total - wide(mean, x) * plain, total)
    return steepest(slope, norm)
