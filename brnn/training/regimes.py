"""Regimes: the images that a training step sees, and the loss that it lowers.

Each function has the contract `brnn.contracts.Regime`. Shapes: images x (n, *d), labels (n,),
logits and probabilities (n, C), the loss of the step ().
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from brnn.attacks.goals import Ball, Goal, ascend
from brnn.config.ranges import Count, Epsilon, Positive
from brnn.contracts import Array, Loss, Net, Noise

Call = Callable[[Array], tuple[Array, Any]]
Result = tuple[Array, Array, Any]


def standard(call: Call, net: Net, loss: Loss, x: Array, labels: Array, noise: Noise) -> Result:
    """Return the mean loss of the images as they are."""
    logits, updates = call(x)
    return tf.reduce_mean(loss(labels, logits)), logits, updates


def adversarial(
    call: Call,
    net: Net,
    loss: Loss,
    x: Array,
    labels: Array,
    noise: Noise,
    *,
    epsilon: Epsilon,
    step: Positive,
    iterations: Count,
) -> Result:
    """Return the mean loss of the images that PGD in L-inf finds against the net at this step.

    Args:
        call: the net in training.
        net: the net in evaluation, which the attack sees.
        loss: one value per label.
        x: pixels in [0, 1].
        labels: classes.
        noise: draws the random start of PGD.
        epsilon: budget, in units of pixels.
        step: length of a step of PGD, in units of epsilon.
        iterations: steps of PGD.

    References:
        Madry et al. 2018, arXiv:1706.06083.
    """
    ball = Ball(x, epsilon, "linf")
    goal = Goal(net, labels, targeted=False)
    adversarial_x = ascend(goal, ball, _random_start(ball, noise), step, iterations)
    return standard(call, net, loss, tf.stop_gradient(adversarial_x), labels, noise)


def trades(
    call: Call,
    net: Net,
    loss: Loss,
    x: Array,
    labels: Array,
    noise: Noise,
    *,
    epsilon: Epsilon,
    step: Positive,
    iterations: Count,
    beta: Positive,
) -> Result:
    """Return mean loss(x) + beta mean KL(p(x) || p(x')), where x' is moved by PGD to raise the KL.

    p(x) is the softmax of the net's logits; x' stays within `epsilon` of x in L-inf.

    Args:
        call: the net in training.
        net: the net in evaluation, which the attack sees.
        loss: one value per label.
        x: pixels in [0, 1].
        labels: classes.
        noise: draws the random start of PGD.
        epsilon: budget, in units of pixels.
        step: length of a step of PGD, in units of epsilon.
        iterations: steps of PGD.
        beta: weight of the divergence; 1 or 6 in the paper.

    References:
        Zhang et al. 2019, arXiv:1901.08573.
    """
    ball = Ball(x, epsilon, "linf")
    goal = _Divergence(net, tf.nn.softmax(net(x)))
    adversarial_x = ascend(goal, ball, _random_start(ball, noise), step, iterations)
    both, updates = call(tf.concat([x, tf.stop_gradient(adversarial_x)], axis=0))
    logits, adversarial_logits = tf.split(both, 2)
    divergence = tf.reduce_mean(_kl_divergence(tf.nn.softmax(logits), adversarial_logits))
    return tf.reduce_mean(loss(labels, logits)) + beta * divergence, logits, updates


class _Divergence:
    """Objective: KL divergence of the net's output from the clean prediction `clean_probs`."""

    def __init__(self, net: Net, clean_probs: Array):
        self.net = net
        self.clean_probs = clean_probs

    def gradient(self, x: Array) -> tuple[Array, Array, Array]:
        """Return what `Goal.gradient` returns; the objective is never reached."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            value = _kl_divergence(self.clean_probs, self.net(x))
        return tape.gradient(value, x), value, tf.zeros_like(value, tf.bool)


def _kl_divergence(probs: Array, logits: Array) -> Array:
    """Return KL(probs || softmax(logits)) in nats, one value per image."""
    return tf.reduce_sum(tf.math.xlogy(probs, probs) - probs * tf.nn.log_softmax(logits), axis=-1)


def _random_start(ball: Ball, noise: Noise) -> Array:
    """Return a random image of a ball in L-inf."""
    return ball.project(ball.center + (2 * noise(tf.shape(ball.center)) - 1) * ball.epsilon)
