"""The quantized activation: levels forward and its estimator backward, eager and compiled."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation, reads_signs, step_function

X = np.float32([[-30, -1.5, -1, -0.25, 0, 0.3, 1, 1.0001, 30]])
UPSTREAM = np.float32(
    [[2.5, -2.5, 3, 3, 3, -4, 0.5, 0.5, 7]]
)  # differs from 1 and between elements
BINARY = partial(quantizers.binary, scale=1.0)
ESTIMATORS = {
    "identity": estimators.identity,
    "ste": partial(estimators.ste, bound=1.0),
    "chernoff": estimators.chernoff,
    "leaky_softsign": partial(estimators.leaky_softsign, bound=1.0, leak=0.125),
    "binary_gradient": partial(estimators.binary_gradient, bound=1.0),
    "approx_sign": estimators.approx_sign,
    "swish_sign": partial(estimators.swish_sign, beta=5.0),
    "tanh": partial(estimators.tanh, slope=3.0),
    "ede": partial(estimators.ede, slope=0.1),
    "reste": partial(estimators.reste, power=2.0, bound=1.5, linear=0.1),
}


def passed(layer, x, upstream):
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        levels = layer(x, training=True)
    return levels, tape.gradient(levels, x, output_gradients=tf.convert_to_tensor(upstream))


@pytest.mark.parametrize("compiled", [None, False, True], ids=["eager", "graph", "xla"])
def test_values_and_gradient_of_ste_by_hand(compiled):
    layer = QuantActivation(BINARY, ESTIMATORS["ste"], 128)
    function = passed if compiled is None else tf.function(passed, jit_compile=compiled)
    levels, gradient = function(layer, X, UPSTREAM)
    np.testing.assert_array_equal(levels, [[-1, -1, -1, -1, 1, 1, 1, 1, 1]])
    np.testing.assert_array_equal(gradient, [[0, 0, 3, 3, 0, -4, 0.5, 0, 0]])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_backward_pass_is_the_estimator_with_the_upstream_gradient_and_the_fan_in(name):
    layer = QuantActivation(
        BINARY, ESTIMATORS[name], 128
    )  # -30 and 30: Chernoff passes the second only
    _, gradient = tf.function(passed, jit_compile=True)(layer, X, UPSTREAM)
    np.testing.assert_allclose(gradient, ESTIMATORS[name](X, UPSTREAM, 128), rtol=1e-5)


def test_gradients_chain_through_two_layers():
    first, second = (QuantActivation(BINARY, ESTIMATORS["leaky_softsign"], 1) for _ in range(2))
    x = tf.constant([[0.5, 3.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = second(2.0 * first(x))  # the second sees +-2, beyond its bound
    np.testing.assert_array_equal(tape.gradient(y, x), [[2 * 0.125, 2 * 0.125 * 0.125]])


def test_stochastic_levels_differ_between_training_steps_and_are_deterministic_in_evaluation():
    layer = QuantActivation(
        partial(quantizers.stochastic_binary, scale=1.0), estimators.identity, 1
    )
    x = np.full((1, 200), 0.1, "float32")
    first, second = np.asarray(layer(x, training=True)), np.asarray(layer(x, training=True))
    assert (first != second).any()
    assert set(np.unique(first)) == {-1, 1}
    np.testing.assert_array_equal(layer(x, training=False), np.ones((1, 200)))


def test_shape_is_kept_and_gradients_pass_the_layer():
    inputs = keras.Input((3,))
    hidden = QuantActivation(BINARY, estimators.identity, 3)(keras.layers.Dense(5)(inputs))
    net = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    assert hidden.shape == (None, 5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(net(np.ones((4, 3), "float32")) ** 2)
    assert all(
        np.abs(gradient).max() > 0 for gradient in tape.gradient(loss, net.trainable_variables)
    )


@pytest.mark.parametrize(
    ("quantizer", "expected"),
    [
        (partial(quantizers.binary, scale=0.5), True),
        (partial(quantizers.ternary, scale=0.5), False),
        (partial(quantizers.stochastic_binary, scale=0.5), False),  # by their size, in training
        (lambda x, noise: 0.5 + quantizers.binary(x, noise, scale=0.5), True),  # levels 0 and 1
        (lambda x, noise: quantizers.binary(x - 0.25, noise, scale=1.0), False),
        (lambda x, noise: quantizers.binary(x, None, scale=1.0) if noise is None else x, False),
        (lambda x, noise: x, False),
    ],
)
def test_a_quantizer_that_reads_only_signs_is_known(quantizer, expected):
    assert reads_signs(quantizer) == expected


@pytest.mark.parametrize(
    ("quantizer", "at", "levels"),
    [
        (partial(quantizers.binary, scale=0.5), [0], [-0.5, 0.5]),
        (partial(quantizers.ternary, scale=0.5), [-0.25, 0.25], [-0.5, 0, 0.5]),
        (lambda x, noise: keras.ops.sign(x), [0, 1e-38], [-1, 0, 1]),
        (lambda x, noise: keras.ops.cast(x > 0.1, "float32"), [0.1], [0, 1]),
    ],
)
def test_a_quantizer_as_steps(quantizer, at, levels):
    found_at, found_levels = step_function(quantizer)
    assert found_levels == levels
    x = np.float32(found_at)
    assert np.array_equal(quantizer(x, None), levels[1:])
    assert np.array_equal(quantizer(np.nextafter(x, np.float32(-1e9)), None), levels[:-1])
    assert found_at == pytest.approx(at, abs=1e-7)


def test_no_level_is_minus_0():
    _, levels = step_function(lambda x, noise: np.where(x < 0, np.float32(-0.0), x >= 1))
    assert [str(level) for level in levels] == ["0.0", "1.0"]


@pytest.mark.parametrize(
    "quantizer", [quantizers.exponential, partial(quantizers.absmean_ternary, by="tensor")]
)
def test_quantizers_that_are_no_steps_of_an_element(quantizer):
    assert step_function(quantizer) is None
