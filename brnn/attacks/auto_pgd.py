"""The search of Auto-PGD.

Shapes: images (n, *d), everything else one value per image (n,). The step size is reviewed at the
checkpoints of the paper.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from brnn.attacks.goals import per_image, repeat

APGD_MOMENTUM = 0.75  # share of the new direction
APGD_PROGRESS = 0.75  # share of steps that must raise the value for the step size to stay


def auto_pgd(goal, ball, x, iterations):
    """Return the first image on the way that reaches the goal, else that of the highest value.

    Args:
        goal: the `Goal` to raise.
        ball: the `Ball` to stay in.
        x: where each search starts, (n, *d).
        iterations: number of steps.

    References:
        Croce and Hein 2020, arXiv:2003.01690, algorithm 1.
    """
    checkpoints, windows = _checkpoints(iterations)

    def step(i, now):
        moved = ball.project(now.x + per_image(now.size, x) * ball.direction(now.gradient))
        share = tf.where(i == 0, 1.0, APGD_MOMENTUM)
        moved = ball.project(now.x + share * (moved - now.x) + (1 - share) * (now.x - now.previous))
        gradient, value, reached = goal.gradient(moved)
        better = per_image(value > now.best_value, x)
        best = tf.where(better, moved, now.best)
        best_gradient = tf.where(better, gradient, now.best_gradient)
        best_value = tf.maximum(value, now.best_value)
        rises = now.rises + tf.cast(value > now.value, tf.float32)
        few = (rises <= APGD_PROGRESS * windows[i]) | (~now.halved & (best_value <= now.last_best))
        stalled = checkpoints[i] & few
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
            rises=tf.where(checkpoints[i], 0.0, rises),
            halved=tf.where(checkpoints[i], stalled, now.halved),
            last_best=tf.where(checkpoints[i], best_value, now.last_best),
        )
        return (following,)

    gradient, value, done = goal.gradient(x)
    size = tf.fill(tf.shape(value), 2.0 * ball.epsilon)
    rises, halved = tf.zeros_like(value), tf.ones_like(done)
    start = _Walk(x, x, gradient, value, x, gradient, value, x, done, size, rises, halved, value)
    (end,) = repeat(iterations, step, start)
    return tf.where(per_image(end.done, x), end.result, end.best)


class _Walk(NamedTuple):
    """The state of a search: the current image, the best one, and what sets the step size."""

    x: tf.Tensor
    previous: tf.Tensor
    gradient: tf.Tensor
    value: tf.Tensor
    best: tf.Tensor
    best_gradient: tf.Tensor
    best_value: tf.Tensor
    result: tf.Tensor  # the first image that reaches the goal, where `done`
    done: tf.Tensor
    size: tf.Tensor
    rises: tf.Tensor  # of the value, since the last review
    halved: tf.Tensor
    last_best: tf.Tensor


def _checkpoints(iterations):
    """Return whether each iteration is a checkpoint, and how many passed since the last one."""
    checkpoints, windows = np.zeros(iterations, bool), np.zeros(iterations, "float32")
    length, shrink, least = (max(1, int(share * iterations)) for share in (0.22, 0.03, 0.06))
    step = length
    while step <= iterations:
        checkpoints[step - 1], windows[step - 1] = True, length
        length = max(length - shrink, least)
        step += length
    return tf.constant(checkpoints), tf.constant(windows)
