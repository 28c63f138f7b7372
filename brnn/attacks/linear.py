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
    """Return the smallest change that crosses to another class, were the net linear."""
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


def logit_scale(net, x, saturation, images):
    """Return the factor on the logits of each image at which the cross-entropy passes a gradient.

    It is 1 over the mean singular value of the Jacobian of the logits, over `images` images of the
    batch. For an image whose class then still has a probability above 1 - saturation, it is what
    brings it down to that.

    References:
        Gupta and Ajanthan 2022, arXiv:2003.13511 (NJS), with saturation = 0.01.
    """
    logits = net(x)
    jacobian = logit_jacobian(net, x[:images], logits.shape[-1])
    flat = tf.reshape(jacobian, (*tf.unstack(tf.shape(jacobian)[:2]), -1))
    eigenvalues = tf.linalg.eigvalsh(tf.matmul(flat, flat, transpose_b=True))
    mean = tf.reduce_mean(tf.sqrt(tf.maximum(eigenvalues, 0.0)))
    mean = tf.where(mean > TINY, mean, 1.0)  # it is 0 where no image has a gradient
    logits /= mean
    top = tf.math.top_k(logits, 2).values
    saturated = 1 - tf.reduce_max(tf.nn.softmax(logits), axis=-1) <= saturation
    gap = -tf.math.log(saturation / ((logits.shape[-1] - 1.0) * (1 - saturation)))
    return tf.where(saturated, gap / tf.maximum(top[:, 0] - top[:, 1], TINY), 1.0) / mean
