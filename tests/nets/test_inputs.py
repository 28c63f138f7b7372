"""Inputs of nets: normalized, where the pixels stay outside the net, and images in bytes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.exported_nets import TERNARY, convolutional_of, images, model_of

from brnn.attacks.goals import Goal
from brnn.data.pixels import to_pixels
from brnn.errors import ConfigError
from brnn.exchange.reading import read
from brnn.nets import models
from brnn.nets.inputs import with_byte_inputs
from brnn.nets.task import Task
from brnn.quantization.manager import QuantManager
from brnn.training import build

COLOURS = ((2.0, -1.0), (4.0, 0.5), (1.0, 0.0))


@pytest.mark.parametrize(
    ("topology", "shape", "pairs"),
    [
        ("simple", (6, 6), COLOURS[:1]),
        ("mlp", (6, 6, 3), COLOURS),
        ("lenet", (12, 12), COLOURS[:1]),
        ("lenet", (12, 12, 3), COLOURS),
        ("resnet20", (8, 8, 3), COLOURS),
        ("gru", (4, 5), COLOURS[:1]),
    ],
)
def test_a_net_reads_its_inputs_normalized(options, topology, shape, pairs):
    """A net with the normalization equals the same net without it on normalized inputs."""
    keys = options(f"topology={topology}", "precision=full", "recipe=original")
    plain = models.untrained_model(keys, Task(shape, 4), "trained")
    net = models.untrained_model(keys, Task(shape, 4, normalization=pairs), "trained")
    net.set_weights(plain.get_weights())
    x = np.random.default_rng(0).random((5, *shape)).astype("float32")
    scale, offset = (np.float32(values) for values in zip(*pairs, strict=True))
    np.testing.assert_allclose(net(x), plain(x * scale + offset), rtol=1e-4, atol=1e-4)
    again = keras.models.clone_model(net)  # by the configurations of its layers, as a saved one
    again.set_weights(net.get_weights())
    np.testing.assert_allclose(again(x), net(x), rtol=1e-5, atol=1e-5)


def test_an_attack_sees_the_pixels(options):
    """The gradient is with respect to pixels: that of the normalized input times the scale."""
    keys = options("precision=full", "topology.depth=0")
    tasks = Task((3,), 2), Task((3,), 2, normalization=((4.0, -1.0),))
    plain, net = (models.untrained_model(keys, task, "trained") for task in tasks)
    net.set_weights(plain.get_weights())
    x = tf.constant([[0.1, 0.5, 0.9]])
    gradients = [
        Goal(model, tf.constant([0]), targeted=False).gradient(inputs)[0]
        for model, inputs in ((net, x), (plain, 4 * x - 1))
    ]
    np.testing.assert_allclose(gradients[0], 4 * gradients[1], rtol=1e-4)


def test_programs_of_two_normalizations_are_two(options):
    keys = options("precision=binarynet", "topology.width=3")
    x = np.random.default_rng(0).random((4, 5)).astype("float32")
    outputs = []
    for pairs in ((), ((2.0, -1.0),)):
        outputs.append(
            np.asarray(build.program(keys, Task((5,), 3, normalization=pairs)).manager(x))
        )
    assert not np.array_equal(*outputs)


IGNORING = """
import keras

def net(task, activate):
    return keras.Sequential([keras.Input(task.shape), keras.layers.Dense(task.classes)])
"""


def test_a_topology_that_ignores_the_normalization_is_refused(options, tmp_path, monkeypatch):
    (tmp_path / "ignoring.py").write_text(IGNORING)
    monkeypatch.syspath_prepend(tmp_path)
    keys = options("precision=full")
    keys |= {"topology": {"name": "ignoring.net"}, "plugins": ["ignoring"]}
    models.untrained_model(keys, Task((3,), 2), "trained")
    with pytest.raises(ConfigError, match=r"topology=net ignores dataset\.normalization"):
        models.untrained_model(keys, Task((3,), 2, normalization=((2.0, -1.0),)), "trained")


def test_bytes_are_added_as_whole_numbers_worked_out_by_hand():
    """26 - 51 + 25 is 0, and 0.5 (26 + 51 + 25) / 255 + 0.5 is 0.7."""
    model = keras.Sequential([keras.Input((3, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    kernel = np.array([[0.5, 0.5], [-0.5, 0.5], [0.5, 0.5]], "float32")
    model.layers[1].set_weights([kernel, np.array([0, 0.5], "float32")])
    of_bytes = with_byte_inputs(keras.Model(model.inputs[0], model.outputs[0]))
    x = np.array([[26, 51, 25]], "uint8")[..., None]
    assert np.asarray(of_bytes(x)).tolist() == [[0, pytest.approx(0.7, rel=1e-6)]]


@pytest.mark.parametrize(
    ("make", "keys"),
    [
        (model_of, {}),
        (model_of, {"batch_normalization": False}),
        (model_of, {"batch_normalization": False, "levels": TERNARY, "scale": 0.5}),
        (model_of, {"binary_input": True}),
        (convolutional_of, {"image": (11, 12)}),
        (convolutional_of, {"padding": "one"}),
    ],
)
def test_a_saved_net_of_bytes_gives_the_logits_of_the_exported_net(make, keys, tmp_path):
    """Sums that meet a threshold included: no image is left out."""
    model = make(**keys)
    net = read(model, pixels=True)
    with_byte_inputs(QuantManager(model, ()).discretized()).save(tmp_path / "net.keras")
    x = images(2000, image=net.shape)
    saved = keras.models.load_model(tmp_path / "net.keras")
    assert np.array_equal(saved(x), net.logits(x))


def test_a_net_whose_pixels_go_elsewhere_too_reads_bytes_as_pixels():
    inputs = keras.Input((5, 6))
    x = keras.layers.Flatten()(inputs)
    hidden = keras.layers.Dense(30, activation="tanh")(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Add()([x, hidden])))
    x = images(50)
    assert np.array_equal(with_byte_inputs(model)(x), model(to_pixels(x)))
