"""Nets that no format holds are refused by a line that names the layer."""

from functools import partial

import keras
import pytest
from support.exported_nets import model_of

from brnn.errors import ConfigError
from brnn.exchange.reading import read
from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation


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


MANY = QuantActivation(quantizers.exponential, estimators.identity, 4)
BY_MEAN = QuantActivation(partial(quantizers.absmean_binary, by="tensor"), estimators.identity, 4)


def convolved(*layers, **keys):
    x = keras.Input((8, 8, 2))
    y = keras.layers.Conv2D(4, 3, name="convolution", **keys)(x)
    for layer in layers:
        y = layer(y)
    return keras.Model(x, keras.layers.Dense(2)(keras.layers.Flatten()(y)))


def rescaled():
    x = keras.Input((4,))
    return keras.Model(x, keras.layers.Dense(2)(keras.layers.Rescaling(0.5, name="half")(x)))


def with_uneven_levels():
    def quantizer(x, noise):
        return keras.ops.where(x >= 1, 3.0, keras.ops.where(x >= 0, 1.0, 0.0))

    return with_activation(QuantActivation(quantizer, estimators.identity, 4))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (recurrent(), "recurrent_0 cannot be exported: its states are real numbers"),
        (with_skip(), "add (Add) cannot be exported"),
        (with_activation(MANY), "the activation of hidden is a quantizer of many levels"),
        (with_activation(BY_MEAN), "the activation of hidden is a quantizer of many levels"),
        (with_uneven_levels(), "hidden has the levels 0, 1, 3; formats hold levels at equal"),
        (with_activation(keras.layers.Activation("softplus")), "hidden is softplus, which no"),
        (with_activation(keras.layers.Rescaling(2.0, name="twice")), "twice (Rescaling) cannot"),
        (with_activation(keras.layers.Softmax(name="shares")), "shares (Softmax) cannot"),
        (rescaled(), "half (Rescaling) changes the inputs, which no format holds"),
        (convolved(dilation_rate=2), "convolution (Conv2D) cannot be exported"),
        (convolved(groups=2), "convolution (Conv2D) cannot be exported"),
        (convolved(keras.layers.MaxPooling2D(2, 1, name="pool")), "pool (MaxPooling2D) cannot"),
        (convolved(keras.layers.AveragePooling2D(2, name="mean")), "mean (AveragePooling2D) cann"),
        (convolved(keras.layers.Reshape((36, 4), name="rows")), "rows (Reshape) cannot be"),
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


def test_a_convolution_may_have_an_activation_pads_and_strides_of_its_own():
    model = convolved(keras.layers.MaxPooling2D(2), activation="relu", padding="same", strides=2)
    (layer, last) = read(model, pixels=False).layers
    assert (layer.activation, layer.window.pads, layer.window.strides) == (
        "relu", ((0, 1), (0, 1)), (2, 2),
    )  # fmt: skip
    assert (layer.window.pool, layer.window.pool_first) == (2, False)
    assert last.kernel.shape == (2 * 2 * 4, 2)


def test_the_inputs_of_a_net_are_bytes_bits_or_values():
    grey, bits = model_of(), model_of(binary_input=True)
    found = [read(m, pixels=p) for m in (grey, bits) for p in (True, False)]
    assert [net.inputs for net in found] == ["pixels", "values", "levels", "levels"]
    assert [net.steps and net.steps.at for net in found] == [None, None, (128,), (0.5,)]
    assert found[2].pixel_cuts == found[3].pixel_cuts == (0.5,)
    assert set(found[0].layers[0].scale) == {1 / 255}
    assert found[0].layers[0].reach == 30 * 255
    assert found[1].layers[0].threshold is None
    assert found[2].layers[0].reach == 30
