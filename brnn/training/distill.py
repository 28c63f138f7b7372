"""Knowledge distillation: a net learns the outputs of another one, its teacher."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from brnn.config.ranges import Positive, Share
from brnn.contracts import Array, Loss, Net, Noise, Regime


def distillation(regime: Regime, teacher: Net, *, temperature: Positive, weight: Share) -> Regime:
    """Return a regime with the loss (1 - weight) loss + weight T² mean KL(p(z / T) || p(y / T)).

    p is the softmax, y are the logits of the net, z those of the teacher, and T is `temperature`.
    T² keeps the size of the gradient. The teacher sees the images of the step as they are, also
    where an attack of the regime changes them.

    Args:
        regime: the loss of a training step.
        teacher: the net to learn from.
        temperature: divides the logits of both nets; a high one weighs all classes.
        weight: share of the loss that is the divergence.

    References:
        Hinton, Vinyals and Dean 2015, arXiv:1503.02531.
    """

    def distilled(
        call: Callable[[Array], tuple[Array, Any]],
        net: Net,
        loss: Loss,
        x: Array,
        labels: Array,
        noise: Noise,
    ) -> tuple[Array, Array, Any]:
        value, logits, state = regime(call, net, loss, x, labels, noise)
        target = tf.nn.log_softmax(tf.stop_gradient(teacher(x)) / temperature)
        difference = target - tf.nn.log_softmax(logits / temperature)
        divergence = tf.reduce_mean(tf.reduce_sum(tf.exp(target) * difference, axis=-1))
        return (1 - weight) * value + weight * temperature**2 * divergence, logits, state

    return distilled
