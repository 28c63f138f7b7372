"""Attacks: inputs close to the originals that the net gets wrong, by its gradient.

Each function maps a batch `x` of pixels in [0, 1] to one of the same shape. `net(x)` gives logits, through
whose backward pass the attack looks; `labels` are the classes to leave, or, in a targeted attack, those to
reach; `seed`, two integers, decides any random choice. Budgets are in units of the pixels, a `step` in units of
epsilon. Functions are traced into TensorFlow graphs.
"""

from typing import Literal

import numpy as np
import tensorflow as tf

from brnn.goals import TINY, Ball, Goal, ascend, ascend_until_reached, fold, steepest, wide
from brnn.ranges import Count, NonNegative, Positive, ProperShare

APGD_MOMENTUM = 0.75  # share of the new direction
APGD_PROGRESS = 0.75  # share of steps that must have raised the goal for the step size to stay
OVER = 1e-4  # by how much a step of deepfool goes beyond the boundary
JACOBIANS = 100  # images of a batch whose Jacobian sets the temperature of pgd_plus_plus


def none(net, x, labels, seed):
    """`x` itself."""
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
    """`iterations` steps of length epsilon along the sign of the gradient, kept in [0, 1] if `clip`.

    Epsilon holds for each iteration and nothing is projected, so that k of them allow a distance of k epsilon.
    Goodfellow, Shlens and Szegedy 2015, arXiv:1412.6572.
    """
    goal = Goal(net, labels, targeted)
    for _ in tf.range(iterations):
        gradient, _, _ = goal.gradient(x)
        x += epsilon * steepest(gradient, norm)
        if clip:
            x = tf.clip_by_value(x, 0.0, 1.0)
    return x


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
    """`iterations` steps from the image itself, each projected back; the last is the result.

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
    """Projected steps from a random place in the ball, the best of `restarts`.

    With `early_stop` an image is left as it is once it reaches the goal; without, all steps are taken, which a
    surrogate needs. Madry et al. 2018, arXiv:1706.06083; the loss may be that of arXiv:2003.01690 or :1608.04644.
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
    """Projected steps along the momentum of the gradients, each of L1 norm 1; the last is the result.

    Dong et al. 2018, arXiv:1710.06081, with decay = 1.
    """
    goal, ball, momentum = Goal(net, labels, targeted), Ball(x, epsilon, norm), tf.zeros_like(x)
    for _ in tf.range(iterations):
        gradient, _, _ = goal.gradient(x)
        total = tf.reduce_sum(tf.abs(tf.reshape(gradient, (tf.shape(x)[0], -1))), axis=1)
        momentum = decay * momentum + gradient / wide(tf.maximum(total, TINY), x)
        x = ball.project(x + step * epsilon * ball.direction(momentum))
    return x


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
    """Auto-PGD: momentum, and a step that begins at 2 epsilon and halves where the goal stops rising.

    Croce and Hein 2020, arXiv:2003.01690, algorithm 1, with its checkpoints.
    """

    def search(goal, ball, start):
        return _auto(goal, ball, start, iterations)

    return _restarted(search, Goal(net, labels, targeted, loss), Ball(x, epsilon, norm), seed, restarts)


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
    """PGD on logits scaled so that the cross-entropy passes a gradient, for nets of large integer logits.

    The scale is 1 over the mean singular value of the Jacobian of the logits (over 100 images of the batch), and
    for an image whose class then still has a probability above 1 - `saturation`, what brings it down to that.
    Gupta and Ajanthan 2022, arXiv:2003.13511 (NJS), with saturation = 0.01.
    """
    jacobian = _jacobian(net, x[:JACOBIANS])
    flat = tf.reshape(jacobian, (*tf.unstack(tf.shape(jacobian)[:2]), -1))
    eigenvalues = tf.linalg.eigvalsh(tf.matmul(flat, flat, transpose_b=True))
    mean = tf.reduce_mean(tf.sqrt(tf.maximum(eigenvalues, 0.0)))
    mean = tf.where(mean > TINY, mean, 1.0)  # it is 0 where no image has a gradient
    logits = net(x) / mean
    top = tf.math.top_k(logits, 2).values
    saturated = 1 - tf.reduce_max(tf.nn.softmax(logits), axis=-1) <= saturation
    wanted = -tf.math.log(saturation / ((logits.shape[-1] - 1.0) * (1 - saturation)))
    scale = tf.where(saturated, wanted / tf.maximum(top[:, 0] - top[:, 1], TINY), 1.0) / mean
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
    """Steps to the nearest boundary of the net made linear, until the class is left; for small perturbations.

    What lies beyond epsilon is projected back to it. Moosavi-Dezfooli et al. 2016, arXiv:1511.04599.
    """
    origin, left, goal = x, tf.range(tf.shape(x)[0]), Goal(net, labels, False)
    for _ in tf.range(iterations):
        tf.autograph.experimental.set_loop_options(shape_invariants=[(left, tf.TensorShape([None]))])
        left = tf.boolean_mask(left, ~goal.of(left).reached(net(tf.gather(x, left))))
        before = tf.gather(x, left)
        move = _to_boundary(net, before, tf.gather(labels, left), norm)
        after = tf.clip_by_value(before + (1 + overshoot) * move, 0.0, 1.0)
        x = tf.tensor_scatter_nd_update(x, left[:, None], after)
    return Ball(origin, epsilon, norm).project(x)


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
    """The smallest L2 perturbation that Adam finds on |perturbation|^2 + c max(-margin, -confidence).

    Pixels are tanh of what is optimized; `searches` steps of binary search find c per image, from `constant`. What
    lies beyond epsilon is projected back to it. Carlini and Wagner 2017, arXiv:1608.04644.
    """
    goal = Goal(net, labels, targeted, "margin")
    best, smallest = x, tf.fill(tf.shape(labels), float("inf"))
    low, high = tf.zeros_like(smallest), tf.fill(tf.shape(labels), 1e10)
    scale = tf.fill(tf.shape(labels), constant)
    for _ in tf.range(searches):
        found, size = _cw_search(goal, x, scale, iterations, learning_rate, confidence)
        better, broken = size < smallest, size < float("inf")
        best, smallest = tf.where(wide(better, x), found, best), tf.minimum(size, smallest)
        low, high = tf.where(broken, low, scale), tf.where(broken, scale, high)
        scale = tf.where(high < 1e9, (low + high) / 2, scale * 10)
    return Ball(x, epsilon, "l2").project(best)


def _restarted(search, goal, ball, seed, restarts):
    """What `search(goal, ball, start)` finds from random starts, each for the images that are not broken yet."""
    result, left = ball.center, tf.range(tf.shape(ball.center)[0])
    for number in tf.range(restarts):
        tf.autograph.experimental.set_loop_options(shape_invariants=[(left, tf.TensorShape([None]))])
        near, wish = ball.of(left), goal.of(left)
        found = search(wish, near, near.random(fold(seed, number)))
        result = tf.tensor_scatter_nd_update(result, left[:, None], found)
        left = tf.boolean_mask(left, ~wish.reached(wish.net(found)))
    return result


def _auto(goal, ball, x, iterations):
    """The first image on the way that reaches the goal, else that of the highest value."""
    marks, windows = _checkpoints(iterations)
    gradient, value, done = goal.gradient(x)
    result = previous = best = x
    best_value = last_best = value
    best_gradient = gradient
    size = tf.fill(tf.shape(value), 2.0 * ball.epsilon)
    rises, halved = tf.zeros_like(value), tf.ones_like(done)
    share = 1.0
    for i in tf.range(iterations):
        moved = ball.project(x + wide(size, x) * ball.direction(gradient))
        moved = ball.project(x + share * (moved - x) + (1 - share) * (x - previous))
        share = APGD_MOMENTUM
        previous, x = x, moved
        gradient, now, reached = goal.gradient(x)
        rises += tf.cast(now > value, tf.float32)
        value = now
        result, done = tf.where(wide(reached & ~done, x), x, result), done | reached
        better = now > best_value
        best, best_gradient = tf.where(wide(better, x), x, best), tf.where(wide(better, x), gradient, best_gradient)
        best_value = tf.maximum(now, best_value)
        if marks[i]:
            stalled = (rises <= APGD_PROGRESS * windows[i]) | (~halved & (best_value <= last_best))
            size = tf.where(stalled, size / 2, size)
            x, gradient = tf.where(wide(stalled, x), best, x), tf.where(wide(stalled, x), best_gradient, gradient)
            halved, last_best, rises = stalled, best_value, tf.zeros_like(rises)
    return tf.where(wide(done, x), result, best)


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


def _jacobian(net, x):
    """The gradients of all logits, `(n, classes, ...)`, in one backward pass."""
    classes = net(x[:1]).shape[-1]
    repeated = tf.repeat(x, classes, axis=0)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(repeated)
        logits = net(repeated)
    one_hot = tf.tile(tf.eye(classes), (tf.shape(x)[0], 1))
    gradient = tape.gradient(logits, repeated, one_hot, tf.UnconnectedGradients.ZERO)
    return tf.reshape(gradient, (-1, classes, *x.shape[1:]))


def _to_boundary(net, x, labels, norm):
    """The smallest change that reaches another class, were the net linear; a little more, so that it crosses."""
    logits, slopes = net(x), _jacobian(net, x)
    slopes -= tf.gather(slopes, labels, axis=1, batch_dims=1)[:, None]
    gaps = tf.gather(logits, labels, axis=1, batch_dims=1)[:, None] - logits
    flat = tf.reshape(slopes, (*tf.unstack(tf.shape(slopes)[:2]), -1))
    sizes = tf.norm(flat, axis=2, ord=1 if norm == "linf" else 2)
    distances = tf.where(sizes > TINY, gaps / tf.maximum(sizes, TINY), float("inf"))
    distances += tf.one_hot(labels, logits.shape[-1], on_value=float("inf"), off_value=0.0)
    nearest = tf.gather(slopes, tf.argmin(distances, axis=1), axis=1, batch_dims=1)
    distance = tf.reduce_min(distances, axis=1)
    return wide(tf.where(tf.math.is_inf(distance), 0.0, distance + OVER), x) * steepest(nearest, norm)


def _cw_search(goal, x, scale, iterations, learning_rate, confidence):
    """The smallest perturbed images that reach the goal at one scale, and their L2 norms (infinite for none)."""
    best, smallest = x, tf.fill(tf.shape(scale), float("inf"))
    place = tf.atanh((2 * x - 1) * (1 - 1e-3))  # tanh is flat beyond
    first, second = tf.zeros_like(x), tf.zeros_like(x)
    for i in tf.range(iterations):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(place)
            image = (tf.tanh(place) + 1) / 2
            logits = goal.net(image)
            value = goal.value(logits)
            size = tf.reduce_sum(tf.reshape((image - x) ** 2, (tf.shape(x)[0], -1)), axis=1)
            cost = size + scale * tf.maximum(-value, -confidence)
        better = goal.reached(logits) & (value >= confidence) & (tf.sqrt(size) < smallest)
        best, smallest = tf.where(wide(better, x), image, best), tf.where(better, tf.sqrt(size), smallest)
        gradient = tape.gradient(cost, place, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        count = tf.cast(i + 1, tf.float32)
        place -= learning_rate * first / (1 - 0.9**count) / (tf.sqrt(second / (1 - 0.999**count)) + 1e-8)
    return best, smallest
