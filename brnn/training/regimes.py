"""Regimes of training: which images a step trains on, and the loss that it lowers.

Each function maps `call(x)`, which gives the logits and whatever else a training step needs, `net(x)`, the logits
in evaluation, `loss(labels, logits)` per image, a batch, its labels and `noise(shape)`, uniform in [0, 1), to the
loss of the step, the logits of the batch, and what else `call` gave.
"""

import tensorflow as tf

from brnn.attacks.goals import Ball, Goal, ascend
from brnn.config.ranges import Count, Epsilon, Positive


def standard(call, net, loss, x, labels, noise):
    """The mean loss of the images as they are."""
    logits, rest = call(x)
    return tf.reduce_mean(loss(labels, logits)), logits, rest


def adversarial(
    call, net, loss, x, labels, noise, *, epsilon: Epsilon, step: Positive, iterations: Count
):
    """The mean loss of the images under PGD in L-inf, against the net as it is at that step.

    Madry et al. 2018, arXiv:1706.06083.
    """
    ball = Ball(x, epsilon, "linf")
    moved = ascend(Goal(net, labels, targeted=False), ball, _start(ball, noise), step, iterations)
    return standard(call, net, loss, tf.stop_gradient(moved), labels, noise)


def trades(
    call,
    net,
    loss,
    x,
    labels,
    noise,
    *,
    epsilon: Epsilon,
    step: Positive,
    iterations: Count,
    beta: Positive,
):
    """The mean loss of the images, and `beta` times how far PGD can move what the net says of them (KL divergence).

    Zhang et al. 2019, arXiv:1901.08573, with beta = 6 or 1.
    """
    ball, said = Ball(x, epsilon, "linf"), tf.nn.softmax(net(x))
    moved = ascend(_Divergence(net, said), ball, _start(ball, noise), step, iterations)
    both, rest = call(tf.concat([x, tf.stop_gradient(moved)], axis=0))
    logits, other = tf.split(both, 2)
    divergence = tf.reduce_mean(_divergence(tf.nn.softmax(logits), other))
    return tf.reduce_mean(loss(labels, logits)) + beta * divergence, logits, rest


class _Divergence:
    """The goal of saying something else than `said`, probabilities."""

    def __init__(self, net, said):
        self.net = net
        self.said = said

    def gradient(self, x):
        """As of `Goal`; nothing is ever reached."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            value = _divergence(self.said, self.net(x))
        return tape.gradient(value, x), value, tf.zeros_like(value, tf.bool)


def _divergence(said, logits):
    """KL divergence of what `logits` say from probabilities, one per image."""
    return tf.reduce_sum(tf.math.xlogy(said, said) - said * tf.nn.log_softmax(logits), axis=-1)


def _start(ball, noise):
    """A random image of the ball in L-inf."""
    return ball.project(ball.center + (2 * noise(tf.shape(ball.center)) - 1) * ball.epsilon)
