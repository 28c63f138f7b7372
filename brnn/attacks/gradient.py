"""attacks.gradient"""

from typing import Literal

import tensorflow as tf

from brnn.attacks.auto_pgd import auto_pgd
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
from brnn.attacks.linear import logit_jacobian, step_to_boundary
from brnn.config.ranges import Count, NonNegative, Positive, ProperShare

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
    """Auto-PGD: momentum, and a step that begins at 2 epsilon and halves where the goal stops rising.

    Croce and Hein 2020, arXiv:2003.01690, algorithm 1, with its checkpoints.
    """

    def search(goal, ball, start):
        return auto_pgd(goal, ball, start, iterations)

    return _restarted(
        search, Goal(net, labels, targeted, loss), Ball(x, epsilon, norm), seed, restarts
    )


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
    logits = net(x)
    jacobian = logit_jacobian(net, x[:JACOBIANS], logits.shape[-1])
    flat = tf.reshape(jacobian, (*tf.unstack(tf.shape(jacobian)[:2]), -1))
    eigenvalues = tf.linalg.eigvalsh(tf.matmul(flat, flat, transpose_b=True))
    mean = tf.reduce_mean(tf.sqrt(tf.maximum(eigenvalues, 0.0)))
    mean = tf.where(mean > TINY, mean, 1.0)  # it is 0 where no image has a gradient
    logits /= mean
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
    goal = Goal(net, labels, False)

    def step(_, moved, left):
        left = tf.boolean_mask(left, ~goal.of(left).reached(net(tf.gather(moved, left))))
        before = tf.gather(moved, left)
        move = step_to_boundary(net, before, tf.gather(labels, left), norm)
        after = tf.clip_by_value(before + (1 + overshoot) * move, 0.0, 1.0)
        return tf.tensor_scatter_nd_update(moved, left[:, None], after), left

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
    """The smallest L2 perturbation that Adam finds on |perturbation|^2 + c max(-margin, -confidence).

    Pixels are tanh of what is optimized; `searches` steps of binary search find c per image, from `constant`. What
    lies beyond epsilon is projected back to it. Carlini and Wagner 2017, arXiv:1608.04644.
    """
    goal = Goal(net, labels, targeted, "margin")

    def search(_, best, smallest, low, high, scale):
        found, size = _cw_search(goal, x, scale, iterations, learning_rate, confidence)
        better, broken = size < smallest, size < float("inf")
        best, smallest = tf.where(per_image(better, x), found, best), tf.minimum(size, smallest)
        low, high = tf.where(broken, low, scale), tf.where(broken, scale, high)
        return best, smallest, low, high, tf.where(high < 1e9, (low + high) / 2, scale * 10)

    numbers = [tf.fill(tf.shape(labels), number) for number in (float("inf"), 0.0, 1e10, constant)]
    return Ball(x, epsilon, "l2").project(repeat(searches, search, x, *numbers)[0])


def _restarted(search, goal, ball, seed, restarts):
    """What `search(goal, ball, start)` finds from random starts, each for the images that are not broken yet."""

    def start(number, result, left):
        near, wish = ball.of(left), goal.of(left)
        found = search(wish, near, near.random(fold(seed, number)))
        result = tf.tensor_scatter_nd_update(result, left[:, None], found)
        return result, tf.boolean_mask(left, ~wish.reached(wish.net(found)))

    return repeat(restarts, start, ball.center, tf.range(tf.shape(ball.center)[0]))[0]


def _cw_search(goal, x, scale, iterations, learning_rate, confidence):
    """The smallest perturbed images that reach the goal at one scale, and their L2 norms (infinite for none)."""

    def step(i, place, first, second, best, smallest):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(place)
            image = (tf.tanh(place) + 1) / 2
            logits = goal.net(image)
            value = goal.value(logits)
            size = tf.reduce_sum(tf.reshape((image - x) ** 2, (tf.shape(x)[0], -1)), axis=1)
            cost = size + scale * tf.maximum(-value, -confidence)
        better = goal.reached(logits) & (value >= confidence) & (tf.sqrt(size) < smallest)
        best, smallest = (
            tf.where(per_image(better, x), image, best),
            tf.where(better, tf.sqrt(size), smallest),
        )
        gradient = tape.gradient(cost, place, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        count = tf.cast(i + 1, tf.float32)
        place -= (
            learning_rate * first / (1 - 0.9**count) / (tf.sqrt(second / (1 - 0.999**count)) + 1e-8)
        )
        return place, first, second, best, smallest

    place = tf.atanh((2 * x - 1) * (1 - 1e-3))  # tanh is flat beyond
    none, infinite = tf.zeros_like(x), tf.fill(tf.shape(scale), float("inf"))
    return repeat(iterations, step, place, none, none, x, infinite)[3:]
