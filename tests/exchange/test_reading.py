"""Nets that no format holds are refused by a line that names the layer."""

from functools import partial

import keras
import numpy as np
import pytest
from support.exported_nets import model_of

from brnn.errors import ConfigError
from brnn.exchange.reading import read
from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation, sign_level


def recurrent():
    x = keras.Input((None, 3))
    return keras.Model(x, keras.layers.RNN(keras.layers.SimpleRNNCell(2), name="recurrent_0")(x))


def with_skip():
    x = keras.Input((4,))
    hidden = keras.layers.Dense(4, name="hidden")(x)
    return keras.Model(x, keras.layers.Dense(2)(x + hidden))


def with_activation(activation):
    x = keras.Input((4,))
    hidden = activation(keras.layers.Dense(4, name="hidden")(x))
    return keras.Model(x, keras.layers.Dense(2)(hidden))


TERNARY = QuantActivation(partial(quantizers.ternary, scale=1.0), estimators.identity, 4)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (recurrent(), "recurrent_0 (RNN) cannot be exported"),
        (with_skip(), "add (Add) cannot be exported"),
        (with_activation(TERNARY), "the activation of hidden is a quantizer of other levels"),
        (with_activation(keras.layers.Activation("softplus")), "hidden is softplus, which no"),
        (with_activation(keras.layers.Rescaling(2.0, name="twice")), "twice (Rescaling) cannot"),
        (with_activation(keras.layers.Softmax(name="shares")), "shares (Softmax) cannot"),
    ],
)
def test_a_net_that_no_format_holds_is_refused_by_its_layer(model, message):
    with pytest.raises(ConfigError) as error:
        read(model, pixels=False)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_dense_layer_with_an_activation_of_its_own_is_read():
    layers = [keras.layers.Dense(3, "relu"), keras.layers.Dense(2, use_bias=False)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    first, second = read(model, pixels=False).layers
    assert (first.activation, second.activation) == ("relu", "linear")
    assert second.bias.tolist() == [0, 0]


def test_the_inputs_of_a_net_are_bytes_bits_or_values():
    grey, bits = model_of(), model_of(binary_input=True)
    found = [read(m, pixels=p) for m in (grey, bits) for p in (True, False)]
    assert [net.inputs for net in found] == ["pixels", "values", "bits", "bits"]
    assert [net.cut for net in found] == [0, 0, 128, 0.5]
    assert found[0].layers[0].scale == 1 / 255
    assert found[0].layers[0].reach == 30 * 255
    assert found[1].layers[0].threshold is None
    assert found[2].layers[0].reach == 30


@pytest.mark.parametrize(
    ("quantizer", "level"),
    [
        (partial(quantizers.binary, scale=0.3), np.float32(0.3)),
        (partial(quantizers.ternary, scale=1.0), None),
        (lambda x, noise: -quantizers.binary(x, noise, scale=1.0), None),
    ],
)
def test_the_level_of_a_sign(quantizer, level):
    assert sign_level(quantizer) == level
