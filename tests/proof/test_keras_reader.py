"""Keras nets as integer nets: the logits of Keras, or a line that names the layer."""

import keras
import numpy as np
import pytest
from keras import ops
from support.proof_nets import (
    convolutional_net,
    dense_net,
    random_net,
    residual_net,
    with_weights,
)

from brnn.data.pixels import to_pixels
from brnn.errors import DataError
from brnn.proof import keras_reader
from brnn.proof.integer_net import Carried, Hidden
from brnn.quantization.manager import QuantManager


def levels_of(model, count=200):
    return np.random.default_rng(0).integers(0, 256, (count, *model.inputs[0].shape[1:]), "uint8")


def agreement(model, net, x, levels=None):
    """The share of images with the same logits; of the others rounding decides a sign."""
    given, expected = x if levels is None else levels, np.asarray(model(x))
    return np.isclose(net.logits(given), expected, rtol=1e-5, atol=1e-5).all(axis=1).mean()


@pytest.mark.parametrize("seed", range(24))
def test_a_net_has_the_logits_that_keras_computes(seed):
    model = random_net(seed)
    levels = levels_of(model)
    x = np.asarray(to_pixels(levels))
    whole = keras_reader.read(model, 255, whole=True, divisor=255)
    assert agreement(model, whole, x, levels) > 0.98
    real = keras_reader.read(model, 1.0, whole=False)
    assert agreement(model, real, x) > 0.97


def test_a_saved_net_is_read_without_its_quantizers(tmp_path):
    keys = {"activation": "ternary", "padding": "zero", "pool_first": False}
    model = with_weights(convolutional_net((4, 4, 2), **keys), np.random.default_rng(0), [-1, 1])
    path = tmp_path / "net.keras"
    QuantManager(model, ()).discretized().save(path)
    loaded = keras.models.load_model(path)
    levels = levels_of(model)
    net = keras_reader.read(loaded, 255, whole=True, divisor=255)
    assert agreement(model, net, np.asarray(to_pixels(levels)), levels) > 0.98


def test_thresholds_by_hand():
    model = dense_net(pixels=2, width=2)
    model.get_layer("hidden_0").set_weights([np.float32([[1, -1], [1, 1]]), np.float32([-1, 0.5])])
    model.get_layer("logits").set_weights([np.float32([[1, -1, 0], [0, 1, 1]]), np.zeros(3)])
    (hidden,) = keras_reader.read(model, 255, whole=True, divisor=255).hidden
    assert hidden.weights.toarray().tolist() == [[1, 1], [-1, 1]]
    assert hidden.at[:, 0, 0].tolist() == [255, -127]  # in grey levels: 1 and -127.5
    assert hidden.rise[:, 0, 0].tolist() == [255, -127]
    assert hidden.fall[:, 0, 0].tolist() == [255, -128]  # the sum of 1 may be rounded below it


def test_one_bit_inputs_are_levels_from_128_on():
    model = with_weights(dense_net(pixels=2, binary_input=True), np.random.default_rng(0), [1.0])
    net = keras_reader.read(model, 255, whole=True, divisor=255)
    assert net.hidden[0].at.ravel().tolist() == [128, 128]
    assert (net.hidden[0].fall == net.hidden[0].rise - 1).all()


def test_a_softmax_at_the_end_is_left_out():
    x = inputs = keras.Input((3,))
    x = ops.sign(keras.layers.Dense(4, use_bias=False)(x))
    x = keras.layers.Dense(2)(x)
    model = keras.Model(inputs, keras.layers.Activation("softmax")(x))
    logits = keras_reader.of_logits(model)
    images = np.random.default_rng(0).uniform(size=(50, 3)).astype("float32")
    net = keras_reader.read(logits, 1.0, whole=False)
    np.testing.assert_allclose(net.logits(images), logits(images), rtol=1e-5)
    assert float(np.asarray(model(images)).sum(axis=1).max()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([keras.layers.Dense(3, "relu")], r"Dense .*: its activation relu is not supported"),
        (
            [keras.layers.LayerNormalization()],
            r"LayerNormalization .*: this layer is not supported",
        ),
        ([keras.layers.Dense(3)], "no hidden layer: no step function"),
        ([keras.layers.Reshape((2, 2)), keras.layers.Dense(3)], "not a row and a matrix"),
    ],
)
def test_what_is_not_supported_is_refused_with_the_name_of_its_layer(layers, message):
    model = keras.Sequential([keras.Input((4,)), *layers])
    with pytest.raises(DataError, match=message) as error:
        keras_reader.read(keras_reader.of_logits(model), 1.0, whole=False)
    assert "\n" not in str(error.value)


def test_a_shortcut_by_hand():
    inputs = keras.Input((2,))
    x = keras.layers.Dense(2, use_bias=False, name="first")(inputs)
    y = keras.layers.Dense(2, use_bias=False, name="second")(ops.sign(x))
    logits = keras.layers.Dense(2, name="logits")(keras.layers.Add()([x, y]))
    model = keras.Model(inputs, logits)
    model.get_layer("first").set_weights([np.float32([[1, -1], [1, 2]])])
    model.get_layer("second").set_weights([np.float32([[1, 0], [-1, 3]])])
    model.get_layer("logits").set_weights([np.eye(2), np.float32([0.5, 0])])
    signs, stream = keras_reader.read(model, 255, whole=True).hidden
    assert isinstance(signs, Hidden)
    assert signs.weights.toarray().tolist() == [[1, 1], [-1, 2]]  # of the pixels
    assert isinstance(stream, Carried)
    assert stream.weights.toarray().tolist() == [[1, 1, 1, -1], [-1, 2, 0, 3]]  # and of the signs
    net = keras_reader.read(model, 255, whole=True)
    images = np.array([[3, 1], [0, 0]])
    assert net.logits(images).tolist() == [[6.5, -4.0], [0.5, 0.0]]
    assert (net.last.error == 0).all()


@pytest.mark.parametrize("seed", range(12))
def test_a_residual_net_has_the_logits_that_keras_computes(seed):
    model = residual_net(seed)
    levels = levels_of(model)
    x = np.asarray(to_pixels(levels))
    whole = keras_reader.read(model, 255, whole=True, divisor=255)
    assert any(isinstance(layer, Carried) for layer in whole.hidden)
    real = keras_reader.read(model, 1.0, whole=False)
    for net, given in ((whole, levels), (real, x)):
        difference = np.abs(net.logits(given) - np.asarray(model(x)))
        assert (difference <= net.last.error).all(axis=1).mean() > 0.98


def test_a_discrete_tensor_is_added_to_a_real_one():
    inputs = keras.Input((3,))
    x = ops.sign(keras.layers.Dense(4)(inputs))
    y = keras.layers.Add()([keras.layers.Dense(4)(x), x])
    model = keras.Model(inputs, keras.layers.Dense(2)(ops.sign(y)))
    levels = levels_of(model)
    net = keras_reader.read(model, 255, whole=True, divisor=255)
    assert agreement(model, net, np.asarray(to_pixels(levels)), levels) > 0.98
