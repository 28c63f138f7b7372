"""Nets made linear around an image.

Shapes: images (n, *d), logits (n, C), Jacobians (n, C, *d).
"""

import tensorflow as tf

from brnn.attacks.goals import TINY, per_image, steepest

OVER = 1e-4  # distance that a step of deepfool goes beyond the boundary


def logit_jacobian(net, x, classes):
    """Return the gradients of all logits (n, classes, *d), by one backward pass."""
    repeated = tf.repeat(x, classes, axis=0)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(repeated)
        logits = net(repeated)
    one_hot = tf.tile(tf.eye(classes), (tf.shape(x)[0], 1))
    gradient = tape.gradient(logits, repeated, one_hot, tf.UnconnectedGradients.ZERO)
    return tf.reshape(gradient, (-1, classes, *x.shape[1:]))


def step_to_boundary(net, x, labels, norm):
    """Return the smallest change that crosses to another class, if the net were linear.

    Args:
        net: images to logits.
        x: images (n, *d).
        labels: the classes to leave (n,).
        norm: in which the change is the smallest.
    """
    logits = net(x)
    slopes = logit_jacobian(net, x, logits.shape[-1])
    slopes -= tf.gather(slopes, labels, axis=1, batch_dims=1)[:, None]
    gaps = tf.gather(logits, labels, axis=1, batch_dims=1)[:, None] - logits
    flat = tf.reshape(slopes, (*tf.unstack(tf.shape(slopes)[:2]), -1))
    sizes = tf.norm(flat, axis=2, ord=1 if norm == "linf" else 2)
    distances = tf.where(sizes > TINY, gaps / tf.maximum(sizes, TINY), float("inf"))
    distances += tf.one_hot(labels, logits.shape[-1], on_value=float("inf"), off_value=0.0)
    nearest = tf.gather(slopes, tf.argmin(distances, axis=1), axis=1, batch_dims=1)
    distance = tf.reduce_min(distances, axis=1)
    distance = tf.where(tf.math.is_inf(distance), 0.0, distance + OVER)
    return per_image(distance, x) * steepest(nearest, norm)


def logit_scale(logits, saturation):
    """Return the factor, at most 1, on the logits (n, C) of each image that unsaturates them.

    It is min(1, gap / (largest - second logit)), gap = log((C - 1) (1 - saturation) / saturation).
    Where all other logits are equal, the probability of the class is then at most 1 - saturation.
    """
    top = tf.math.top_k(logits, 2).values
    gap = tf.math.log((logits.shape[-1] - 1.0) * (1 - saturation) / saturation)
    return gap / tf.maximum(top[:, 0] - top[:, 1], gap)
