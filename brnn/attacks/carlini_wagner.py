"""The search of Carlini and Wagner for one weight of the class against the size.

Shapes: images (n, *d), scales, norms and weights (n,).
"""

import tensorflow as tf

from brnn.attacks.goals import per_image, repeat

EDGE = 1e-3  # pixels are kept this share of their range from 0 and 1, where tanh is flat


def smallest_by_adam(goal, x, scale, iterations, learning_rate, confidence):
    """Return the smallest perturbed images that reach the goal, with their L2 norms.

    Adam lowers |perturbation|^2 + scale max(-margin, -confidence) over w, where pixels are
    (tanh(w) + 1) / 2. Where no step reaches the goal, the image is `x` and its norm infinite.

    Args:
        goal: of the loss `margin`.
        x: the clean images (n, *d).
        scale: weight of the class against the size, one for each image (n,).
        iterations: steps of Adam.
        learning_rate: of Adam.
        confidence: least margin of a success.
    """

    def step(i, w, first, second, best, smallest):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(w)
            image = (tf.tanh(w) + 1) / 2
            logits = goal.net(image)
            value = goal.value(logits)
            size = tf.reduce_sum(tf.reshape((image - x) ** 2, (tf.shape(x)[0], -1)), axis=1)
            cost = size + scale * tf.maximum(-value, -confidence)
        better = goal.reached(logits) & (value >= confidence) & (tf.sqrt(size) < smallest)
        best = tf.where(per_image(better, x), image, best)
        smallest = tf.where(better, tf.sqrt(size), smallest)
        gradient = tape.gradient(cost, w, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        count = tf.cast(i + 1, tf.float32)
        root = tf.sqrt(second / (1 - 0.999**count))
        w -= learning_rate * first / (1 - 0.9**count) / (root + 1e-8)
        return w, first, second, best, smallest

    w = tf.atanh((2 * x - 1) * (1 - EDGE))
    zeros, infinite = tf.zeros_like(x), tf.fill(tf.shape(scale), float("inf"))
    return repeat(iterations, step, w, zeros, zeros, x, infinite)[3:]
