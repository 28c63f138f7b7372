"""A net made linear around an image: its Jacobian, and the step to its nearest boundary."""

import tensorflow as tf

from brnn.attacks.goals import TINY, per_image, steepest

OVER = 1e-4  # by how much a step of deepfool goes beyond the boundary


def logit_jacobian(net, x, classes):
    """The gradients of all logits, `(n, classes, ...)`, in one backward pass."""
    repeated = tf.repeat(x, classes, axis=0)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(repeated)
        logits = net(repeated)
    one_hot = tf.tile(tf.eye(classes), (tf.shape(x)[0], 1))
    gradient = tape.gradient(logits, repeated, one_hot, tf.UnconnectedGradients.ZERO)
    return tf.reshape(gradient, (-1, classes, *x.shape[1:]))


def step_to_boundary(net, x, labels, norm):
    """The smallest change that reaches another class, were the net linear; a little more, so that it crosses."""
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
    return per_image(tf.where(tf.math.is_inf(distance), 0.0, distance + OVER), x) * steepest(
        nearest, norm
    )
