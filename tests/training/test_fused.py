"""Layers in few passes: the outputs, gradients and statistics of Keras' own layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation
from brnn.training.fused import joined, normalized, pooled

SHAPE = (6, 7, 5, 4)


def drawn(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape).astype("float32"))


def with_gradients(function, inputs, upstream):
    def run(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(*inputs)
        return outputs, tape.gradient(outputs, inputs, upstream, tf.UnconnectedGradients.ZERO)

    outputs, gradients = tf.function(run, autograph=False)(inputs)
    return outputs.numpy(), [gradient.numpy() for gradient in gradients]


@pytest.mark.parametrize("options", [{}, {"center": False}, {"scale": False}], ids=str)
@pytest.mark.parametrize("scale", [1.0, 1 / 255, 3.0])
@pytest.mark.parametrize("shift", [None, 2.0])
def test_normalization_is_that_of_keras_on_scaled_and_shifted_inputs(options, scale, shift):
    inputs = [40 * drawn(*SHAPE), tf.fill(SHAPE[-1], shift or 0.0)]

    def trained(function):
        layer = keras.layers.BatchNormalization(momentum=0.9, **options)
        layer.build(SHAPE)
        values = [drawn(SHAPE[-1], seed=seed) for seed, _ in enumerate(layer.trainable_variables)]

        def run(x, bias, *values):
            state = list(zip(layer.trainable_variables, values, strict=True))
            with keras.StatelessScope(state) as scope:
                y = function(layer, x, bias)
            for moving in layer.non_trainable_variables:
                moving.assign(scope.get_current_value(moving))
            return y

        y, gradients = with_gradients(run, [*inputs, *values], drawn(*SHAPE, seed=9))
        return y, gradients, [np.array(moving) for moving in layer.non_trainable_variables]

    def ours(layer, x, bias):
        return normalized(layer, x, scale, None if shift is None else bias)

    y, gradients, moving = trained(ours)
    expected, others, their_moving = trained(
        lambda layer, x, b: layer(scale * (x + b), training=True)
    )
    np.testing.assert_allclose(y, expected, rtol=1e-3, atol=1e-4)
    for gradient, other in zip(gradients, others, strict=True):
        bound = 1e-4 * max(1.0, scale) * max(1.0, np.abs(other).max())
        np.testing.assert_allclose(gradient, other, atol=bound)
    np.testing.assert_array_equal(gradients[1], 0)  # rounding in Keras
    for value, other in zip(moving, their_moving, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [2, 3, 4])  # squares that do not fill the maps
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_pooling_is_that_of_keras_where_values_are_equal_too(size, dtype):
    x = tf.constant(np.random.default_rng(0).integers(-2, 2, SHAPE), dtype)
    layer = keras.layers.MaxPooling2D(size, dtype=dtype)
    upstream = tf.cast(drawn(*layer(x).shape), dtype)
    ours, (gradient,) = with_gradients(lambda x: pooled(x, size), [x], upstream)
    expected, (other,) = with_gradients(layer, [x], upstream)
    np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(gradient, other)


def test_joined_layers_have_the_outputs_and_gradients_that_they_have_alone():
    activation = QuantActivation(
        lambda x, noise: quantizers.binary(x, noise, scale=1.0),
        lambda x, upstream, fan_in: estimators.ste(x, upstream, fan_in, bound=1.0),
        4,
    )
    upstream = drawn(*SHAPE, seed=1)
    inputs = [2 * drawn(*SHAPE), drawn(SHAPE[-1], seed=2)]

    def alone(x, shift):
        return activation(x + shift, training=True)

    ours = with_gradients(lambda *xs: joined(alone, xs, [], []), inputs, upstream)
    expected = with_gradients(alone, inputs, upstream)
    np.testing.assert_array_equal(ours[0], expected[0])
    for gradient, other in zip(ours[1], expected[1], strict=True):
        np.testing.assert_allclose(gradient, other, rtol=1e-5, atol=1e-5)


def test_the_gradient_of_a_joined_random_layer_has_the_draws_of_its_outputs():
    dropout = keras.layers.Dropout(0.5, seed=3)
    x = tf.ones((4, 50))
    (seed,) = dropout.non_trainable_variables
    before = np.array(seed)

    def run(x):
        with keras.StatelessScope([(seed, tf.convert_to_tensor(seed))]) as scope:
            y = joined(lambda x: dropout(x, training=True), [x], [seed], [seed])
            after = scope.get_current_value(seed)
        return y, after

    with tf.GradientTape() as tape:
        tape.watch(x)
        y, after = tf.function(run, autograph=False)(x)
    np.testing.assert_array_equal(tape.gradient(y, x), y)
    assert 0 < np.mean(y) < 2
    assert (np.array(after) != before).any()
