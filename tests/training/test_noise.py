"""Random numbers: the same in XLA and graph mode, uniform in [0, 1)."""

import numpy as np
import tensorflow as tf

from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation
from brnn.training.noise import uniform


def test_both_modes_draw_the_same_numbers():
    draws = [
        tf.function(lambda: uniform((1000,), tf.constant([3, 4])), jit_compile=compiled)().numpy()
        for compiled in (False, True)
    ]
    np.testing.assert_array_equal(*draws)
    assert 0 <= draws[0].min() < 0.01
    assert 0.99 < draws[0].max() < 1
    assert abs(draws[0].mean() - 0.5) < 0.03
    assert not np.array_equal(draws[0], uniform((1000,), tf.constant([3, 5])).numpy())


def test_both_modes_draw_the_same_activations():
    drawn = []
    for compiled in (False, True):
        layer = QuantActivation(
            lambda x, noise: quantizers.stochastic_binary(x, noise, scale=1.0),
            estimators.identity,
            1,
        )
        layer.build((1000,))
        layer.seed.state.assign([5, 0])
        call = tf.function(lambda x, layer=layer: layer(x, training=True), jit_compile=compiled)
        drawn.append(call(tf.ones(1000)).numpy())
    np.testing.assert_array_equal(*drawn)
    assert abs((drawn[0] > 0).mean() - 0.7) < 0.05  # 0.2 * 1 + 0.5
