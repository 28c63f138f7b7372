"""The search of Auto-PGD."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from brnn.attacks.goals import per_image, repeat

APGD_MOMENTUM = 0.75  # share of the new direction
APGD_PROGRESS = 0.75  # share of steps that must have raised the goal for the step size to stay


def auto_pgd(goal, ball, x, iterations):
    """The first image on the way that reaches the goal, else that of the highest value."""
    marks, windows = _checkpoints(iterations)

    def step(i, now):
        moved = ball.project(now.x + per_image(now.size, x) * ball.direction(now.gradient))
        share = tf.where(i == 0, 1.0, APGD_MOMENTUM)
        moved = ball.project(now.x + share * (moved - now.x) + (1 - share) * (now.x - now.previous))
        gradient, value, reached = goal.gradient(moved)
        better = per_image(value > now.best_value, x)
        best, best_gradient = (
            tf.where(better, moved, now.best),
            tf.where(better, gradient, now.best_gradient),
        )
        best_value, rises = (
            tf.maximum(value, now.best_value),
            now.rises + tf.cast(value > now.value, tf.float32),
        )
        few = (rises <= APGD_PROGRESS * windows[i]) | (~now.halved & (best_value <= now.last_best))
        stalled = marks[i] & few
        following = _Walk(
            x=tf.where(per_image(stalled, x), best, moved),
            previous=now.x,
            gradient=tf.where(per_image(stalled, x), best_gradient, gradient),
            value=value,
            best=best,
            best_gradient=best_gradient,
            best_value=best_value,
            result=tf.where(per_image(reached & ~now.done, x), moved, now.result),
            done=now.done | reached,
            size=tf.where(stalled, now.size / 2, now.size),
            rises=tf.where(marks[i], 0.0, rises),
            halved=tf.where(marks[i], stalled, now.halved),
            last_best=tf.where(marks[i], best_value, now.last_best),
        )
        return (following,)

    gradient, value, done = goal.gradient(x)
    size, rises, halved = (
        tf.fill(tf.shape(value), 2.0 * ball.epsilon),
        tf.zeros_like(value),
        tf.ones_like(done),
    )
    start = _Walk(x, x, gradient, value, x, gradient, value, x, done, size, rises, halved, value)
    (end,) = repeat(iterations, step, start)
    return tf.where(per_image(end.done, x), end.result, end.best)


class _Walk(NamedTuple):
    """Where Auto-PGD is, the best place so far, the first that reaches the goal, and what its step size depends on."""

    x: tf.Tensor
    previous: tf.Tensor
    gradient: tf.Tensor
    value: tf.Tensor
    best: tf.Tensor
    best_gradient: tf.Tensor
    best_value: tf.Tensor
    result: tf.Tensor
    done: tf.Tensor
    size: tf.Tensor
    rises: tf.Tensor  # of the value, since the last review
    halved: tf.Tensor
    last_best: tf.Tensor


def _checkpoints(iterations):
    """After which iterations the step size is reviewed, and how many there were since the last review."""
    marks, windows = np.zeros(iterations, bool), np.zeros(iterations, "float32")
    length, shrink, least = (max(1, int(share * iterations)) for share in (0.22, 0.03, 0.06))
    at = length
    while at <= iterations:
        marks[at - 1], windows[at - 1] = True, length
        length = max(length - shrink, least)
        at += length
    return tf.constant(marks), tf.constant(windows)
