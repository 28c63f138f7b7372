"""The dense net: its layers, its number of weights, and the fan-in of each hidden activation."""

from itertools import pairwise

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brnn.config.groups import arguments
from brnn.nets.dense import dense
from brnn.nets.task import Task

KEYS = {
    "first_width": None,
    "activation": "tanh",
    "batch_normalization": False,
    "dropout": 0.0,
    "real_first": False,
    "real_last": False,
    "binary_input": False,
}


def build(shape=(28, 28), **keys):
    """The model, and the (name, fan-in) of each hidden activation."""
    activations = []

    def activate(name, fan_in):
        activations.append((name, fan_in))
        return keras.layers.Activation(name)

    return dense(Task(shape, 10), activate, **KEYS | keys), activations


def dense_layers(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]


def widths(model):
    return [layer.units for layer in dense_layers(model)]


@given(first_width=st.none() | st.integers(1, 9), width=st.integers(1, 9), depth=st.integers(0, 4))
@settings(max_examples=25)
def test_widths_are_the_first_width_then_width(first_width, width, depth):
    model, activations = build((3,), first_width=first_width, width=width, depth=depth)
    hidden = ([width if first_width is None else first_width] + [width] * (depth - 1))[:depth]
    assert widths(model) == [*hidden, 10]
    assert [fan_in for _, fan_in in activations] == [3, *hidden][:depth]


@pytest.mark.parametrize(
    ("preset", "hidden", "normalized"),
    [
        ("simple", [256], False),
        ("deep", [256, *10 * [128]], False),
        ("mlp", [512, 512, 512], True),
    ],
)
def test_presets_are_the_nets_of_the_original_framework(options, preset, hidden, normalized):
    topology = options(f"topology={preset}")["topology"]
    assert (topology["name"], topology["preset"]) == ("dense", preset)
    model, activations = build(**arguments(topology))
    assert widths(model) == [*hidden, 10]
    sizes = [784, *hidden, 10]
    normalizations = 4 * sum(sizes[1:]) if normalized else 0
    assert model.count_params() == normalizations + sum(
        (inputs + 1) * units for inputs, units in pairwise(sizes)
    )
    assert activations == [("tanh", fan_in) for fan_in in sizes[:-2]]


def test_every_dense_layer_is_normalized():
    model, _ = build(width=256, depth=3, batch_normalization=True)
    kinds = [type(layer).__name__ for layer in model.layers]
    block = ["Dense", "BatchNormalization"]
    assert kinds == ["InputLayer", "Flatten", *3 * [*block, "Activation"], *block]


def test_activation_is_the_configured_one():
    _, activations = build(width=4, depth=2, activation="relu")
    assert [name for name, _ in activations] == ["relu", "relu"]


@pytest.mark.parametrize(
    ("first", "last", "names"),
    [
        (False, False, ["hidden_0", "hidden_1", "logits"]),
        (True, False, ["real_first", "hidden_1", "logits"]),
        (False, True, ["hidden_0", "hidden_1", "real_logits"]),
    ],
)
def test_names_of_real_layers_start_with_real(first, last, names):
    model, _ = build(width=4, depth=2, real_first=first, real_last=last)
    assert [layer.name for layer in dense_layers(model)] == names


def test_dropout_acts_in_training_only():
    model, _ = build(shape=(5,), width=50, depth=1, dropout=0.5)
    x = np.ones((1, 5), "float32")
    assert (np.asarray(model(x, training=True)) != model(x, training=False)).numpy().any()
    np.testing.assert_array_equal(model(x, training=False), model(x, training=False))


def test_depth_zero_is_a_linear_classifier():
    model, activations = build(width=256, depth=0)
    assert model.count_params() == 784 * 10 + 10
    assert activations == []


def test_binary_input_is_rounded_and_passes_every_gradient():
    model, _ = build(shape=(4,), width=8, depth=1, binary_input=True)
    pixels = np.float32([[0.0, 0.49, 0.5, 1.0]])
    np.testing.assert_array_equal(model(pixels), model(np.float32([[0.1, 0.2, 0.7, 0.9]])))
    layer = model.get_layer("binary_input")
    np.testing.assert_array_equal(layer(pixels - 0.5), [[0, 0, 1, 1]])
    np.testing.assert_array_equal(
        layer.estimator(pixels - 0.3, np.float32([[1, 2, 3, 4]]), 1), [[1, 2, 3, 4]]
    )
