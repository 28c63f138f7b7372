"""Topologies: the layers, the number of weights, and the fan-in that each hidden activation is told."""

import keras
import numpy as np
import pytest

from brnn.nets import dense
from brnn.nets.task import Task

KEYS = {
    "activation": "tanh",
    "batch_normalization": False,
    "dropout": 0.0,
    "real_first": False,
    "real_last": False,
    "binary_input": False,
}


def build(topology, shape=(28, 28), **keys):
    """The model, and the (name, fan-in) of each activation that it asked for."""
    asked = []

    def activate(name, fan_in):
        asked.append((name, fan_in))
        return keras.layers.Activation(name)

    return topology(Task(shape, 10), activate, **KEYS | keys), asked


def dense_layers(model):
    return [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dense)]


def test_simple_is_the_original_net_of_256_hidden_units():
    model, asked = build(dense.dense, width=256, depth=1)
    assert model.count_params() == 784 * 256 + 256 + 256 * 10 + 10
    assert asked == [("tanh", 784)]
    assert model.output_shape == (None, 10)


def test_deep_is_256_units_and_ten_layers_of_128():
    model, asked = build(dense.dense, first_width=256, width=128, depth=11)
    assert (
        model.count_params()
        == 784 * 256 + 256 + 256 * 128 + 128 + 9 * (128 * 128 + 128) + 128 * 10 + 10
    )
    assert [fan_in for _, fan_in in asked] == [784, 256] + 9 * [128]


def test_mlp_normalizes_after_every_dense_layer():
    model, asked = build(dense.dense, width=256, depth=3, batch_normalization=True)
    kinds = [type(layer).__name__ for layer in model.layers]
    block = ["Dense", "BatchNormalization"]
    assert kinds == ["InputLayer", "Flatten", *3 * [*block, "Activation"], *block]
    assert [fan_in for _, fan_in in asked] == [784, 256, 256]


def test_the_activation_is_the_one_configured():
    _, asked = build(dense.dense, width=4, depth=2, activation="relu")
    assert [name for name, _ in asked] == ["relu", "relu"]


@pytest.mark.parametrize(
    ("first", "last", "names"),
    [
        (False, False, ["hidden_0", "hidden_1", "logits"]),
        (True, False, ["real_first", "hidden_1", "logits"]),
        (False, True, ["hidden_0", "hidden_1", "real_logits"]),
    ],
)
def test_real_layers_are_named_so(first, last, names):
    model, _ = build(dense.dense, width=4, depth=2, real_first=first, real_last=last)
    assert dense_layers(model) == names


def test_dropout_acts_in_training_only():
    model, _ = build(dense.dense, shape=(5,), width=50, depth=1, dropout=0.5)
    x = np.ones((1, 5), "float32")
    assert (np.asarray(model(x, training=True)) != model(x, training=False)).numpy().any()
    np.testing.assert_array_equal(model(x, training=False), model(x, training=False))


def test_no_hidden_layer_leaves_a_linear_classifier():
    model, asked = build(dense.dense, width=256, depth=0)
    assert model.count_params() == 784 * 10 + 10
    assert asked == []


@pytest.mark.parametrize("topology", [dense.dense])
def test_a_binary_input_is_rounded_and_passes_every_gradient(topology):
    widths = {"first_width": 8}
    model, _ = build(topology, shape=(4,), width=8, depth=1, binary_input=True, **widths)
    pixels = np.float32([[0.0, 0.49, 0.5, 1.0]])
    np.testing.assert_array_equal(model(pixels), model(np.float32([[0.1, 0.2, 0.7, 0.9]])))
    layer = model.get_layer("binary_input")
    np.testing.assert_array_equal(layer(pixels - 0.5), [[0, 0, 1, 1]])
    np.testing.assert_array_equal(
        layer.estimator(pixels - 0.3, np.float32([[1, 2, 3, 4]]), 1), [[1, 2, 3, 4]]
    )
