"""Products on whole numbers: the decisions of exact arithmetic, in every form and mode."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from brnn.data.pixels import to_pixels
from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager, Rule
from brnn.training.chain import Chain
from brnn.training.products import FORMS

SIGN = partial(quantizers.binary, scale=1.0)
TERNARY = partial(quantizers.ternary, scale=0.5)
ODD = partial(quantizers.binary, scale=0.84)  # 0.84 times the float32 next to 1/0.84 is not 1
PIXELS, WIDTHS = 784, (513, 512, 10)
WAYS = [("float32", False, False), ("float32", False, True)]
WAYS += [(name, clustered, False) for name in ("bfloat16", "int8") for clustered in (False, True)]
WAYS += [(name, False, compiled) for name in ("xla_bfloat16", "xla_int8") for compiled in (0, 1)]


def manager(kernel=SIGN, activation=SIGN, batch_normalization=False, dropout=0.0, widths=WIDTHS):
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((28, 28))
    x = keras.layers.Flatten()(x)
    for width in widths:
        fan_in = x.shape[-1]
        x = keras.layers.Dense(width, bias_initializer="he_normal")(x)
        if batch_normalization:
            x = keras.layers.BatchNormalization()(x)
        if width != widths[-1]:
            x = QuantActivation(activation, estimators.identity, fan_in)(x)
        if dropout:
            x = keras.layers.Dropout(dropout)(x)
    rules = [Rule("kernel", kernel, 1.0), Rule("bias", SIGN, 1.0)]
    return QuantManager(keras.Model(inputs, x), rules)


@pytest.fixture(scope="module")
def images():
    """Bytes, many sums of which with ±1 are exactly 0."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 4, (200, 28, 28)).astype("uint8") * 85


@pytest.fixture(scope="module")
def others():
    """Bytes, nearly all sums of which are far enough from 0 for float32."""
    return np.random.default_rng(1).integers(256, size=(60, 28, 28), dtype="uint8")


def outputs(net, x, form, clustered, compiled):
    chain, model = Chain(net, form, clustered), net.model

    def run(x):
        levels, fixed = net.levels(), model.non_trainable_variables
        return chain.stateless_call(levels, fixed, x, [], pixels=True, training=False)[0]

    try:
        return tf.function(run, jit_compile=compiled, autograph=False)(x).numpy()
    except tf.errors.OpError as error:
        pytest.skip(f"this build of TensorFlow lacks it: {error.message[:80]}")


def exact(net, x):
    """The logits in whole numbers: sums over bytes and 255 times the bias have the sign of all."""
    values = [np.asarray(level).astype("float64") for level in net.levels()]
    x, unit = x.reshape(len(x), -1).astype("float64"), 255
    for kernel, bias in zip(values[::2], values[1::2], strict=True):
        sums = x @ kernel + unit * bias
        x, unit = np.where(sums >= 0, 1, -1), 1
    return sums


@pytest.mark.parametrize(("form", "clustered", "compiled"), WAYS)
def test_logits_are_those_of_whole_numbers_from_bytes_and_from_their_pixels(
    images, form, clustered, compiled
):
    net = manager()
    expected = exact(net, images)
    for x in (images, np.asarray(to_pixels(images))):
        logits = outputs(net, tf.constant(x), form, clustered, compiled)
        np.testing.assert_array_equal(logits, expected)
    assert np.any(np.asarray(net(to_pixels(images))) != expected)  # Keras' sums of real pixels


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": TERNARY},
        {"activation": TERNARY},
        {"kernel": TERNARY, "activation": partial(quantizers.binary, scale=0.3)},
        {"kernel": ODD, "activation": ODD},
        {"batch_normalization": True},
        {"dropout": 0.5},
    ],
    ids=[
        "ternary",
        "ternary activations",
        "scales",
        "scales without a reciprocal",
        "batch normalization",
        "dropout",
    ],
)
def test_all_forms_decide_alike(images, others, options):
    net, x = manager(**options), tf.constant(np.concatenate([images, others]))
    results = [outputs(net, x, *way) for way in WAYS]
    for logits in results[1:]:
        np.testing.assert_allclose(logits, results[0], rtol=1e-5, atol=1e-5)
    far = results[0][len(images) :]
    equal = np.isclose(far, net(to_pixels(others)), rtol=1e-4, atol=1e-3).all(axis=1)
    assert equal.mean() > 0.8


@pytest.mark.parametrize("form", ["float32", "bfloat16"])
def test_gradients_are_those_of_keras(others, form):
    net = manager(batch_normalization=True)
    net.model.set_weights(net.weights())  # so that both compute with levels
    chain, x = Chain(net, form), tf.constant(np.asarray(to_pixels(others)))

    def gradient(call):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(call(x)[:, 0])
        return tape.gradient(value, x).numpy()

    ours, expected = gradient(lambda x: chain(x, pixels=True)), gradient(net.model)
    error = np.abs(ours - expected).max(axis=(1, 2)) / np.abs(expected).max()
    bound = {"float32": 1e-4, "bfloat16": 0.03}[form]
    assert np.mean(error < bound) > 0.8  # the others have a sum of 0 in a hidden unit


def test_all_forms_train_on_the_same_sums():
    """Of 10,000 images, through layers with 784, 1,024, 513 and 512 inputs."""
    net = manager(widths=(1024, 513, 512, 10))
    images = np.random.default_rng(0).integers(256, size=(10_000, 28, 28), dtype="uint8")
    x, model = to_pixels(images), net.model

    def run(chain, x, whole):
        return chain.stateless_call(
            net.levels(),
            model.non_trainable_variables,
            x,
            [],
            pixels=True,
            training=True,
            whole=whole,
        )[0]

    results = [
        tf.function(partial(run, Chain(net, form, training=True), whole=whole), jit_compile=True)(x)
        for form, whole in (("float32", False), ("xla_bfloat16", False), ("xla_bfloat16", True))
    ]
    expected = exact(net, images)
    for logits in results:
        np.testing.assert_array_equal(logits, expected)


def test_training_changes_statistics_as_keras_does(others):
    net = manager(batch_normalization=True)
    model, x = net.model, to_pixels(others)
    values = net.levels(), model.non_trainable_variables
    _, expected, _ = model.stateless_call(*values, x, training=True, return_losses=True)
    _, updates, penalties = Chain(net).stateless_call(*values, x, [], pixels=True, training=True)
    for update, other in zip(updates[:2], expected[:2], strict=True):  # before the first sign
        np.testing.assert_allclose(update, other, rtol=1e-4, atol=1e-4)
    assert not np.array_equal(updates[0], model.non_trainable_variables[0])
    assert len(updates) == len(expected)
    assert penalties == []


def test_nets_that_are_no_line_of_layers_are_called_as_they_are():
    inputs = keras.Input((4,))
    hidden = QuantActivation(SIGN, estimators.identity, 4)(keras.layers.Dense(4)(inputs))
    branched = keras.Model(inputs, keras.layers.Add()([keras.layers.Dense(4)(hidden), hidden]))
    net = QuantManager(branched, [Rule("kernel", SIGN, 1.0)])
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    chain = Chain(net, "bfloat16")
    assert not chain.products
    assert not chain.graph_only
    levels = net.levels()
    fixed = net.model.non_trainable_variables
    result, *_ = chain.stateless_call(levels, fixed, x, [], pixels=False, training=False)
    np.testing.assert_array_equal(result, net(x))


def test_every_form_is_tried():
    assert {name for name, _, _ in WAYS} == set(FORMS)


@pytest.mark.parametrize(
    "quantizer",
    [
        partial(quantizers.absmean_binary, by="tensor"),  # whose level depends on the weights
        quantizers.exponential,  # which has many
        partial(quantizers.low_rank, ratio=0.5),
    ],
    ids=["absmean_binary", "exponential", "low_rank"],
)
def test_kernels_of_other_levels_are_no_products(quantizer):
    assert not Chain(manager(kernel=quantizer)).products
