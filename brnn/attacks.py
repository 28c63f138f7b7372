"""Attacks: inputs close to the originals that the net gets wrong.

Each function maps a batch `x` of pixels in [0, 1] to one of the same shape. `net(x)` gives logits, through
whose backward pass the attack looks; `labels` are the classes to leave, or, in a targeted attack, those to
reach; `seed`, two integers, decides any random choice. Budgets are in units of the pixels.
"""

import keras
import tensorflow as tf

from brnn.ranges import Count, Epsilon


def none(net, x, labels, seed):
    """`x` itself."""
    return x


def fgsm(net, x, labels, seed, *, epsilon: Epsilon, iterations: Count, targeted: bool, clip: bool):
    """`iterations` signed gradient steps of length epsilon, kept in [0, 1] if `clip`.

    Epsilon holds for each iteration and nothing is projected, so that k of them allow an L-inf distance of
    k epsilon. Goodfellow, Shlens and Szegedy 2015, arXiv:1412.6572.
    """
    step = -epsilon if targeted else epsilon
    for _ in tf.range(iterations):
        x += step * tf.sign(_gradient(net, x, labels))
        if clip:
            x = tf.clip_by_value(x, 0.0, 1.0)
    return x


def _gradient(net, x, labels):
    """The gradient of each image's cross-entropy with respect to it."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(keras.losses.sparse_categorical_crossentropy(labels, net(x), from_logits=True))
    return tape.gradient(loss, x)
