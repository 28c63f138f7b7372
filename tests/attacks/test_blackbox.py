"""Attacks without a gradient never take one."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.attacking import run


def test_attacks_without_gradients_never_ask_for_one():
    matrix = tf.random.stateless_normal((16, 3), [0, 0])

    @tf.custom_gradient
    def forbidden(image):
        def backward(upstream):
            raise AssertionError("a gradient was taken")

        return tf.reshape(image, (-1, 16)) @ matrix, backward

    x, labels = np.full((2, 4, 4), 0.5, "float32"), np.int32([0, 1])
    for name in ("noise", "square", "spsa", "hopskipjump"):
        run(name, forbidden, x, labels)
    with pytest.raises(AssertionError, match="a gradient was taken"):
        run("bim", forbidden, x, labels)
