"""Gradient-free attacks: an estimator cannot mask anything from them.

Each function fulfils `brnn.contracts.Attack`; `conf/attack/<name>.yaml` explains each key.
"""

from typing import Literal

import numpy as np
import tensorflow as tf

from brnn.attacks import squares
from brnn.attacks.goals import (
    TINY,
    Ball,
    Goal,
    fold,
    length,
    per_image,
    random_signs,
    repeat,
    steepest,
)
from brnn.config.ranges import Count, Positive, Share

SEES_GRADIENT = False
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
    """Draw random perturbations of length epsilon; the first that reaches the goal is the result.

    Where none of `draws` reaches it, the last is. In L-inf each pixel moves by +-epsilon, which
    breaks more than uniform noise; in L2 the direction is uniform.
    """
    goal, ball = Goal(net, labels, targeted), Ball(x, epsilon, norm)

    def step(number, result, done):
        if norm == "linf":
            draw = tf.random.stateless_uniform(tf.shape(x), fold(seed, number)) - 0.5
        else:
            draw = tf.random.stateless_normal(tf.shape(x), fold(seed, number))
        moved = ball.project(x + epsilon * ball.direction(draw))
        result = tf.where(per_image(done, x), result, moved)
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
    """Change random squares of the image, and keep what raises the margin.

    In L-inf a square is +-epsilon; in L2 it has two bumps of opposite sign, which take their share
    of epsilon from another square. Squares cover `share` of the image at first, then less and less.
    A vector counts as an image of one row; of more than three axes the first count as the height.

    References:
        Andriushchenko et al. 2020, arXiv:1912.00049, with share = 0.8.
    """
    goal, shape = Goal(net, labels, targeted, "margin"), x.shape
    images = tf.reshape(x, squares.as_image(shape))
    ball = Ball(images, epsilon, norm)
    _, height, width, _ = images.shape
    sides = tf.constant(squares.side_lengths(queries, share, height, width, norm))

    def evaluated(images):
        logits = net(tf.reshape(images, (-1, *shape[1:])))
        return goal.value(logits), goal.reached(logits)

    def step(number, best, best_value, done):
        moved = squares.propose(ball, best, sides[number], fold(seed, number + 1))
        value, reached = evaluated(moved)
        better = (value > best_value) & ~done
        best = tf.where(per_image(better, best), moved, best)
        best_value = tf.where(better, value, best_value)
        return best, best_value, done | better & reached

    first = squares.start(ball, seed)
    best, *_ = repeat(queries - 1, step, first, *evaluated(first))
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
    """Take projected steps along an estimate of the gradient of the margin.

    It is the sum of (margin(x + delta v) - margin(x - delta v)) v over `samples` random sign
    vectors v. Quantized nets need a larger delta than others to change at all.

    References:
        Uesato et al. 2018, arXiv:1802.05666, with delta = 0.01.
    """
    goal, ball = Goal(net, labels, targeted, "margin"), Ball(x, epsilon, norm)

    def move(number, x):
        def pair(sample, slope):
            v = random_signs(tf.shape(x), fold(fold(seed, number), sample))
            rise = goal.value(net(x + delta * v)) - goal.value(net(x - delta * v))
            return (slope + per_image(rise, x) * v,)

        (slope,) = repeat(samples, pair, tf.zeros_like(x))
        done = goal.reached(net(x))
        moved = ball.project(x + step * epsilon * ball.direction(slope))
        return (tf.where(per_image(done, x), x, moved),)

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
    """Walk along the boundary towards the image, by the classes of the net alone.

    The walk starts at the first of `starts` random images that reaches the goal; where none does,
    the image stays. Iteration k estimates the direction across the boundary from samples sqrt(k)
    random steps, and returns to the boundary. A larger perturbation than epsilon is projected to
    the ball.

    References:
        Chen, Jordan and Wainwright 2020, arXiv:1904.02144.
    """
    goal = Goal(net, labels, targeted)
    size = float(np.prod(x.shape[1:]))

    def start(number, first, done):
        draw = tf.random.stateless_uniform(tf.shape(x), fold(fold(seed, 0), number))
        first = tf.where(per_image(done, x), first, draw)
        return first, goal.reached(net(first))

    first, done = repeat(starts, start, x, goal.reached(net(x)))

    def walk(number, best):
        count = tf.cast(
            tf.math.ceil(float(samples) * tf.sqrt(tf.cast(number + 1, tf.float32))), tf.int32
        )
        distance = length(best - x, norm)
        delta = length(best - x, "l2") / np.sqrt(size)
        direction = _across(goal, best, delta, count, fold(seed, number + 1), norm)
        longest = distance / tf.sqrt(tf.cast(number + 1, tf.float32))

        def shorter(halvings, moved, arrived):
            step = longest / 2 ** tf.cast(halvings, tf.float32)
            tried = tf.clip_by_value(best + step * direction, 0.0, 1.0)
            moved = tf.where(per_image(arrived, x), moved, tried)
            return moved, goal.reached(net(moved))

        moved, arrived = repeat(BOUNDARY_STEPS, shorter, best, tf.zeros_like(done))
        moved = _to_boundary(goal, x, moved, norm)
        nearer = done & arrived & tf.reshape(length(moved - x, norm) < distance, (-1,))
        return (tf.where(per_image(nearer, x), moved, best),)

    best = tf.where(per_image(done, x), _to_boundary(goal, x, first, norm), x)
    return Ball(x, epsilon, norm).project(repeat(iterations, walk, best)[0])


def _to_boundary(goal, x, beyond, norm):
    """Return the image nearest to `x` on the way from `beyond` that reaches the goal."""
    distance = length(beyond - x, norm)

    def between(share):
        if norm == "l2":
            return x + per_image(share, x) * (beyond - x)
        reach = per_image(share, x) * distance
        return tf.clip_by_value(beyond, x - reach, x + reach)

    def halve(_, low, high):
        middle = (low + high) / 2
        reached = goal.reached(goal.net(between(middle)))
        return tf.where(reached, low, middle), tf.where(reached, middle, high)

    zeros, ones = tf.zeros_like(goal.temperature), tf.ones_like(goal.temperature)
    _, high = repeat(BOUNDARY_STEPS, halve, zeros, ones)
    return between(high)


def _across(goal, x, delta, count, seed, norm):
    """Return the direction into the goal, estimated from the classes of `count` images around each.

    With v the steps and s = +-1 whether each reaches the goal, it is the sum of (s - mean s) v, or
    of s v where all s are equal.
    """

    def sample(number, signed, plain, signs):
        v = steepest(tf.random.stateless_normal(tf.shape(x), fold(seed, number)), "l2")
        reached = goal.reached(goal.net(tf.clip_by_value(x + delta * v, 0.0, 1.0)))
        sign = tf.where(reached, 1.0, -1.0)
        return signed + per_image(sign, x) * v, plain + v, signs + sign

    zeros = tf.zeros_like(x)
    signed, plain, signs = repeat(count, sample, zeros, zeros, tf.zeros_like(goal.temperature))
    mean = signs / tf.cast(count, tf.float32)
    differ = per_image(tf.abs(mean) < 1 - TINY, x)
    return steepest(tf.where(differ, signed - per_image(mean, x) * plain, signed), norm)
