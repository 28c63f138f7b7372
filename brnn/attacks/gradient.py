"""Attacks that follow the gradient of the net.

Each function fulfils `brnn.contracts.Attack`; `conf/attack/<name>.yaml` explains each key.
"""

from typing import Literal

import tensorflow as tf

from brnn.attacks.auto_pgd import auto_pgd
from brnn.attacks.carlini_wagner import smallest_by_adam
from brnn.attacks.goals import (
    TINY,
    Ball,
    Goal,
    ascend,
    ascend_until_reached,
    fold,
    per_image,
    repeat,
    steepest,
)
from brnn.attacks.linear import logit_scale, step_to_boundary
from brnn.config.ranges import Count, NonNegative, Positive, ProperShare


def none(net, x, labels, seed):
    """Return `x` itself."""
    return x


def fgsm(
    net,
    x,
    labels,
    seed,
    *,
    epsilon: Positive,
    norm: Literal["linf", "l2"],
    iterations: Count,
    targeted: bool,
    clip: bool,
):
    """Take steps of length epsilon along the gradient, in L-inf along its sign.

    Epsilon holds for each iteration and nothing is projected, so that k iterations allow a distance
    of k epsilon. Pixels stay in [0, 1] only if `clip`.

    References:
        Goodfellow, Shlens and Szegedy 2015, arXiv:1412.6572.
    """
    goal = Goal(net, labels, targeted)

    def step(_, x):
        gradient, _, _ = goal.gradient(x)
        x += epsilon * steepest(gradient, norm)
        return (tf.clip_by_value(x, 0.0, 1.0) if clip else x,)

    return repeat(iterations, step, x)[0]


def bim(
    net,
    x,
    labels,
    seed,
    *,
    epsilon: Positive,
    norm: Literal["linf", "l2"],
    step: Positive,
    iterations: Count,
    targeted: bool,
):
    """Take steps from the image itself, each projected to the ball; the last one is the result.

    References:
        Kurakin, Goodfellow and Bengio 2017, arXiv:1607.02533.
    """
    return ascend(Goal(net, labels, targeted), Ball(x, epsilon, norm), x, step, iterations)


def pgd(
    net,
    x,
    labels,
    seed,
    *,
    epsilon: Positive,
    norm: Literal["linf", "l2"],
    step: Positive,
    iterations: Count,
    restarts: Count,
    loss: Literal["cross_entropy", "margin", "dlr"],
    temperature: Positive,
    targeted: bool,
    early_stop: bool,
):
    """Take projected steps from random points of the ball; the best of `restarts` is the result.

    With `early_stop` an image stays as it is once it reaches the goal. Otherwise all steps are
    taken, which a surrogate needs.

    References:
        Madry et al. 2018, arXiv:1706.06083. Losses: Carlini and Wagner 2017, arXiv:1608.04644
        (margin); Croce and Hein 2020, arXiv:2003.01690 (dlr).
    """
    search = ascend_until_reached if early_stop else ascend
    goal, ball = Goal(net, labels, targeted, loss, temperature), Ball(x, epsilon, norm)

    def from_start(goal, ball, start):
        return search(goal, ball, start, step, iterations)

    return _restarted(from_start, goal, ball, seed, restarts)


def mim(
    net,
    x,
    labels,
    seed,
    *,
    epsilon: Positive,
    norm: Literal["linf", "l2"],
    step: Positive,
    iterations: Count,
    decay: NonNegative,
    targeted: bool,
):
    """Take projected steps along the momentum of gradients of L1 norm 1; the last is the result.

    References:
        Dong et al. 2018, arXiv:1710.06081, with decay = 1.
    """
    goal, ball = Goal(net, labels, targeted), Ball(x, epsilon, norm)

    def move(_, x, momentum):
        gradient, _, _ = goal.gradient(x)
        total = tf.reduce_sum(tf.abs(tf.reshape(gradient, (tf.shape(x)[0], -1))), axis=1)
        momentum = decay * momentum + gradient / per_image(tf.maximum(total, TINY), x)
        return ball.project(x + step * epsilon * ball.direction(momentum)), momentum

    return repeat(iterations, move, x, tf.zeros_like(x))[0]


def apgd(
    net,
    x,
    labels,
    seed,
    *,
    epsilon: Positive,
    norm: Literal["linf", "l2"],
    iterations: Count,
    restarts: Count,
    loss: Literal["cross_entropy", "margin", "dlr"],
    targeted: bool,
):
    """Run Auto-PGD: momentum, and a step of 2 epsilon that halves where the loss stops rising.

    References:
        Croce and Hein 2020, arXiv:2003.01690, algorithm 1, with its checkpoints.
    """

    def search(goal, ball, start):
        return auto_pgd(goal, ball, start, iterations)

    goal, ball = Goal(net, labels, targeted, loss), Ball(x, epsilon, norm)
    return _restarted(search, goal, ball, seed, restarts)


def pgd_plus_plus(
    net,
    x,
    labels,
    seed,
    *,
    epsilon: Positive,
    norm: Literal["linf", "l2"],
    step: Positive,
    iterations: Count,
    restarts: Count,
    saturation: ProperShare,
    targeted: bool,
):
    """Run PGD on logits scaled down where the class has a probability above 1 - saturation.

    It is for nets of large integer logits, whose cross-entropy is saturated and passes no gradient.
    In the paper all logits are first divided by the mean singular value of their Jacobian. That is
    left out: it makes the logits so small that the cross-entropy follows all classes instead of the
    nearest, and plain PGD was stronger.

    References:
        Gupta and Ajanthan 2022, arXiv:2003.13511, with saturation = 0.01.
    """
    scale = logit_scale(net(x), saturation)
    goal, ball = Goal(net, labels, targeted, "cross_entropy", 1 / scale), Ball(x, epsilon, norm)

    def search(goal, ball, start):
        return ascend_until_reached(goal, ball, start, step, iterations)

    return _restarted(search, goal, ball, seed, restarts)


def deepfool(
    net,
    x,
    labels,
    seed,
    *,
    epsilon: Positive,
    norm: Literal["linf", "l2"],
    iterations: Count,
    overshoot: NonNegative,
):
    """Step to the nearest boundary of the net made linear until the class changes.

    It looks for the smallest perturbation; a larger one than epsilon is projected to the ball.

    References:
        Moosavi-Dezfooli et al. 2016, arXiv:1511.04599.
    """
    goal = Goal(net, labels, False)

    def step(_, moved, rows):
        rows = tf.boolean_mask(rows, ~goal.take(rows).reached(net(tf.gather(moved, rows))))
        before = tf.gather(moved, rows)
        move = step_to_boundary(net, before, tf.gather(labels, rows), norm)
        after = tf.clip_by_value(before + (1 + overshoot) * move, 0.0, 1.0)
        return tf.tensor_scatter_nd_update(moved, rows[:, None], after), rows

    moved, _ = repeat(iterations, step, x, tf.range(tf.shape(x)[0]))
    return Ball(x, epsilon, norm).project(moved)


def cw_l2(
    net,
    x,
    labels,
    seed,
    *,
    epsilon: Positive,
    iterations: Count,
    learning_rate: Positive,
    constant: Positive,
    searches: Count,
    confidence: NonNegative,
    targeted: bool,
):
    """Search by Adam for the smallest L2 perturbation: |change|^2 + c max(-margin, -confidence).

    `searches` steps of a binary search from `constant` set c for each image. A larger perturbation
    than epsilon is projected to the ball.

    References:
        Carlini and Wagner 2017, arXiv:1608.04644.
    """
    goal = Goal(net, labels, targeted, "margin")

    def search(_, best, smallest, low, high, scale):
        moved, size = smallest_by_adam(goal, x, scale, iterations, learning_rate, confidence)
        better, broken = size < smallest, size < float("inf")
        best, smallest = tf.where(per_image(better, x), moved, best), tf.minimum(size, smallest)
        low, high = tf.where(broken, low, scale), tf.where(broken, scale, high)
        return best, smallest, low, high, tf.where(high < 1e9, (low + high) / 2, scale * 10)

    state = [tf.fill(tf.shape(labels), value) for value in (float("inf"), 0.0, 1e10, constant)]
    return Ball(x, epsilon, "l2").project(repeat(searches, search, x, *state)[0])


def _restarted(search, goal, ball, seed, restarts):
    """Return the results of `search(goal, ball, start)`, repeated where an image is not broken."""

    def start(number, result, rows):
        open_ball, open_goal = ball.take(rows), goal.take(rows)
        moved = search(open_goal, open_ball, open_ball.random(fold(seed, number)))
        result = tf.tensor_scatter_nd_update(result, rows[:, None], moved)
        return result, tf.boolean_mask(rows, ~open_goal.reached(open_goal.net(moved)))

    return repeat(restarts, start, ball.center, tf.range(tf.shape(ball.center)[0]))[0]
