"""Regularizers of weights: their gradients are taken at the latent weights, not at the levels."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from brnn.contracts import Array


def regularized(model: keras.Model) -> list[keras.Variable]:
    """Return the weights with a regularizer, whose penalties are the last of a model's losses."""
    return [v for v in model.trainable_variables if v.regularizer is not None]


def with_penalties(
    gradients: Sequence[Array | None], model: keras.Model, latent: Sequence[Array]
) -> list[Array | None]:
    """Return gradients plus those of the regularizers at the latent weights.

    Args:
        gradients: of the loss, one for each trainable variable; None where it has no effect.
        model: the model.
        latent: the values of its trainable variables.
    """
    variables = model.trainable_variables
    slopes = [_slope(v.regularizer, value) for v, value in zip(variables, latent, strict=True)]
    pairs = zip(gradients, slopes, strict=True)
    return [g if s is None else s if g is None else g + s for g, s in pairs]


def _slope(regularizer: Callable[[Array], Array] | None, value: Array) -> Array | None:
    if regularizer is None:
        return None
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        value = tf.convert_to_tensor(value)
        tape.watch(value)
        penalty = regularizer(value)
    return tape.gradient(penalty, value)
