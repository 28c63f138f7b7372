"""Losses: one value for each label, from labels and logits (or values, in regression).

`labels` has the shape of `outputs` without its last axis (whole numbers), or all of it in regression.
"""

import keras
from keras import ops


def cross_entropy(labels, outputs):
    """-log of the softmax probability of the label, in nats."""
    return keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=True)


def squared_hinge(labels, outputs):
    """Mean over the classes of max(0, 1 - t o)^2, with t = +1 for the label and -1 for the others.

    The loss of BinaryConnect and BinaryNet, whose papers write it as an L2 support vector machine.
    """
    targets = 2.0 * ops.one_hot(labels, outputs.shape[-1]) - 1.0
    return ops.mean(ops.square(ops.maximum(1.0 - targets * outputs, 0.0)), axis=-1)


def mean_squared_error(labels, outputs):
    """Mean over the last axis of (label - output)^2."""
    return ops.mean(ops.square(labels - outputs), axis=-1)
