"""Convolutional nets as stages: the logits of whole numbers, and the training of Keras."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from brnn.data.pixels import to_pixels
from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager, Rule
from brnn.training import stages as room
from brnn.training.chain import Chain
from brnn.training.stages import stages

SIGN = partial(quantizers.binary, scale=1.0)
TERNARY = partial(quantizers.ternary, scale=0.5)
STE = partial(estimators.ste, bound=1.0)
FORMS = {"float32": 0.05, "bfloat16": 0.3}  # how far gradients are from those of Keras, at most:
# batch normalization takes a mean from them, which leaves the more of their rounding


def manager(kernel=SIGN, normalize=False, pool_first=True, padding="valid", **keys):
    """Two convolutions and two dense layers for images of 12 by 12 with three channels."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((12, 12, 3))
    for filters in (32, 8):
        layers = [keras.layers.MaxPooling2D(2)]
        if normalize:
            layers.insert(pool_first, keras.layers.BatchNormalization(momentum=0.9))
        layers.insert(len(layers) if pool_first else len(layers) - 1, QuantActivation(SIGN, STE, 9))
        if padding == "layer":
            x = keras.layers.ZeroPadding2D(1)(x)
        same = "same" if padding == "same" else "valid"
        x = keras.layers.Conv2D(filters, 3, padding=same, bias_initializer="he_normal", **keys)(x)
        for layer in layers:
            x = layer(x)
    x = keras.layers.Dense(6, bias_initializer="he_normal")(keras.layers.Flatten()(x))
    x = keras.layers.Dense(4)(QuantActivation(SIGN, STE, 6)(x))
    return QuantManager(keras.Model(inputs, x), [Rule("kernel", kernel, 1.0)])


@pytest.fixture(scope="module")
def images():
    """Bytes."""
    return np.random.default_rng(0).integers(256, size=(64, 12, 12, 3), dtype="uint8")


def outputs(chain, net, x, training):
    """Return the logits, the updates and, in training, the gradients at the levels."""

    def run(x):
        values = net.levels(), net.model.non_trainable_variables
        levels = [tf.convert_to_tensor(level) for level in values[0]]
        keys = {"pixels": True, "training": training}
        if not training:
            return chain.stateless_call(levels, values[1], x, [], **keys)[:2]
        with tf.GradientTape() as tape:
            tape.watch(levels)
            logits, updates, _ = chain.stateless_call(levels, values[1], x, [], **keys)
        return logits, updates, tape.gradient(logits, levels, tf.cos(logits) + 1)

    return tf.function(run, autograph=False)(x)


OPTIONS = [
    {},
    {"padding": "same"},
    {"padding": "layer"},
    {"pool_first": False},
    {"kernel": TERNARY},
    {"normalize": True},
    {"normalize": True, "padding": "layer", "pool_first": False},
    {"activation": "tanh"},
    {"use_bias": False, "strides": 2, "padding": "same"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_all_forms_evaluate_alike(images, options):
    net = manager(**options)
    chains = [Chain(net, form, form, clustered=True) for form in FORMS] + [Chain(net)]
    results = [outputs(chain, net, images, training=False)[0] for chain in chains]
    for logits in results[1:]:
        np.testing.assert_array_equal(logits, results[0])
    expected = np.asarray(net(to_pixels(images)))
    equal = np.isclose(results[0], expected, rtol=1e-4, atol=1e-3).all(axis=1)
    assert equal.mean() > 0.9  # elsewhere Keras rounds a sum of 0


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_training_is_that_of_keras(images, options):
    net = manager(**options)
    expected, *their = outputs(Chain(net), net, images, training=True)
    for form, bound in FORMS.items():
        chain = Chain(net, form, form, clustered=True, training=True)
        logits, *our = outputs(chain, net, images, training=True)
        same = np.isclose(logits, expected, rtol=1e-3, atol=1e-3).all(axis=1)
        assert same.mean() > 0.9  # elsewhere a rounded statistic moves a sum across its threshold
        for values, others in zip(our, their, strict=True):
            for value, other in zip(values, others, strict=True):
                size = np.linalg.norm(other) + 2e-3
                assert np.linalg.norm(np.asarray(value - other)) < bound * size, other.shape


def normalized_net(quantizer):
    """Return three convolutions with batch normalization and a dense layer."""
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((12, 12, 3))
    for filters in (32, 8, 4):
        x = keras.layers.Conv2D(filters, 3, use_bias=False)(x)
        x = QuantActivation(quantizer, STE, 9)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dense(4)(keras.layers.Flatten()(x))
    return QuantManager(keras.Model(inputs, x), [Rule("kernel", SIGN, 1.0)])


@pytest.mark.parametrize("quantizer", [SIGN, TERNARY], ids=["sign", "ternary"])
def test_the_type_of_sums_changes_no_logit_of_training(images, quantizer):
    net = normalized_net(quantizer)
    chains = [Chain(net, form, form, clustered=True, training=True) for form in FORMS]
    (logits, updates, _), (narrow, others, _) = (
        outputs(chain, net, images, training=True) for chain in chains
    )
    np.testing.assert_array_equal(narrow, logits)
    for update, other in zip(updates, others, strict=True):
        np.testing.assert_allclose(other, update, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("quantizer", "types"), [(SIGN, 2), (TERNARY, 1)], ids=["sign", "ternary"])
def test_batch_normalization_is_narrow_only_before_signs(images, quantizer, types):
    net = normalized_net(quantizer)
    chain = Chain(net, "bfloat16", "bfloat16", clustered=True, training=True)
    graph = tf.function(
        lambda x: chain(x, pixels=True, training=True), autograph=False
    ).get_concrete_function(images)
    operations = [op for op in graph.graph.get_operations() if op.type == "FusedBatchNormV3"]
    assert len(operations) == 3
    assert len({op.get_attr("T") for op in operations}) == types  # the first layer is in float32


def test_gradients_through_narrow_batch_normalization_are_rounded(images, monkeypatch):
    net = normalized_net(SIGN)
    chain = Chain(net, "bfloat16", "bfloat16", clustered=True, training=True)
    narrow = outputs(chain, net, images, training=True)[2]
    monkeypatch.setattr(room, "_reads_signs", lambda stage: False)
    wide = outputs(chain, net, images, training=True)[2]
    for gradient, other in zip(narrow, wide, strict=True):
        size = np.linalg.norm(other) + 1e-3
        assert np.linalg.norm(np.asarray(gradient - other)) < 0.05 * size, other.shape


def test_a_first_layer_reads_the_inputs_that_layers_before_it_make(images):
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Dropout(0.5, seed=1)(keras.layers.MaxPooling2D(3)(inputs))
    outputs_ = keras.layers.Dense(4)(keras.layers.Flatten()(x))
    net = QuantManager(keras.Model(inputs, outputs_), [Rule("kernel", SIGN, 1.0)])
    for clustered in (False, True):
        chain = Chain(net, clustered=clustered)
        logits = outputs(chain, net, images, training=False)[0]
        np.testing.assert_allclose(logits, net(to_pixels(images)), rtol=1e-4, atol=1e-3)
        trained = outputs(chain, net, images, training=True)[0]
        assert not np.allclose(trained, logits, atol=0.1)


def test_inputs_behind_dropout_are_no_levels_in_training():
    inputs = keras.Input((4,))
    x = QuantActivation(SIGN, STE, 4)(keras.layers.Dense(6)(inputs))
    x = keras.layers.Dense(2)(keras.layers.Dropout(0.3)(x))
    net = QuantManager(keras.Model(inputs, x), [Rule("kernel", SIGN, 1.0)])
    assert [p.form.graph_only for p in Chain(net, "bfloat16").products] == [True, True]
    narrow = [p.form.graph_only for p in Chain(net, "bfloat16", training=True).products]
    assert narrow == [True, False]


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ({"normalize": True}, ["pooled", "normalized", "joined"]),
        ({"normalize": True, "pool_first": False}, ["normalized", "joined", "pooled", "joined"]),
        ({"activation": "tanh"}, ["joined", "pooled", "joined"]),
    ],
    ids=str,
)
def test_stages_of_a_convolution_in_training(options, kinds):
    first = Chain(manager(**options), clustered=True).products[0]
    assert [stage.kind for stage in stages([first.layer, *first.following], True)] == kinds
