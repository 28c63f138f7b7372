"""Losses: one value per label.

Each function has the contract `brnn.contracts.Loss`. Shapes: logits (..., C) and whole-number
labels (...); in regression values and labels of one shape (..., C).
"""

import keras
from keras import ops

from brnn.contracts import Array


def cross_entropy(labels: Array, outputs: Array) -> Array:
    """Return -log softmax(outputs)[label], in nats."""
    return keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=True)


def squared_hinge(labels: Array, outputs: Array) -> Array:
    """Return the mean over the classes of max(0, 1 - t o)^2; t is 1 for the label, else -1.

    The loss of BinaryConnect and BinaryNet, whose papers write it as an L2 support vector machine.
    """
    targets = 2.0 * ops.one_hot(labels, outputs.shape[-1]) - 1.0
    return ops.mean(ops.square(ops.maximum(1.0 - targets * outputs, 0.0)), axis=-1)


def mean_squared_error(labels: Array, outputs: Array) -> Array:
    """Return the mean over the last axis of (label - output)^2."""
    return ops.mean(ops.square(labels - outputs), axis=-1)
