"""Progressions: shares by hand, and nets that are discretized layer by layer."""

from functools import partial

import keras
import numpy as np
import pytest

from brnn.data.dataset import Data
from brnn.nets.task import Task
from brnn.quantization import estimators, quantizers
from brnn.quantization.annealing import step_values
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager, Rule
from brnn.quantization.model_layers import activations_of
from brnn.training import build, progressions

BINARY = partial(quantizers.binary, scale=1.0)
X = np.linspace(-2, 2, 1000, dtype="float32")[None]


def test_layers_are_discretized_one_after_the_other_from_the_input():
    steps = np.array([0, 2, 4, 5, 8, 9])
    shares = progressions.layerwise(steps, 10, 2, "weights", end=0.8)
    np.testing.assert_allclose(shares, [[0, 0], [0.5, 0], [1, 0], [1, 0.25], [1, 1], [1, 1]])


@pytest.mark.parametrize(("part", "first"), [("weights", 0), ("activations", 1)])
def test_two_stages_begin_with_the_activations(part, first):
    shares = progressions.two_stages(np.arange(4), 4, 3, part, split=0.5)
    np.testing.assert_array_equal(shares, np.repeat([[first], [first], [1], [1]], 3, axis=1))


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_an_activation_quantizes_its_share_and_clips_the_rest(share):
    layer = QuantActivation(BINARY, estimators.identity, 1, position=1)
    with step_values({"discretized/activations": np.float32([0.5, share])}):
        y = np.asarray(layer(X, training=True))
    is_level = (y == np.sign(X)) & (np.abs(X) < 1)
    np.testing.assert_array_equal(y[~is_level], np.clip(X, -1, 1)[~is_level])
    assert is_level.sum() / 500 == pytest.approx(share, abs=0.06)
    np.testing.assert_array_equal(layer(X, training=True), np.where(X >= 0, 1, -1))


def test_weights_are_discretized_by_the_share_of_their_layer():
    model = keras.Sequential([keras.Input((40,)), *(keras.layers.Dense(40) for _ in range(3))])
    layers = [layer.path for layer in model.layers]
    rules = [Rule("kernel", BINARY, 1.0, layers=f"{layers[0]}$|{layers[2]}")]
    manager = QuantManager(model, rules)
    assert manager.layers == [layers[0], layers[2]]
    rng = np.random.default_rng(0)
    with step_values({"discretized/weights": np.float32([0.25, 1.0])}):
        levels = manager.levels(lambda shape: rng.uniform(size=shape).astype("float32"))
        assert set(np.unique(manager.levels()[0])) == {-1, 1}  # outside the training
    latent = [np.asarray(v) for v in model.trainable_variables]
    np.testing.assert_array_equal(levels[2], latent[2])  # without a rule
    np.testing.assert_array_equal(levels[4], np.where(latent[4] >= 0, 1, -1))
    is_level = np.abs(levels[0]) == 1
    assert is_level.mean() == pytest.approx(0.25, abs=0.05)
    np.testing.assert_array_equal(np.asarray(levels[0])[~is_level], latent[0][~is_level])


def data(shape):
    rng = np.random.default_rng(0)
    pair = (rng.uniform(size=(12, *shape)).astype("float32"), np.arange(12, dtype="int32") % 2)
    return Data(pair, pair, pair, classes=2, source="generated")


@pytest.mark.parametrize(
    ("overrides", "shape"),
    [
        (["topology.width=5"], (6,)),
        (["topology.width=5", "compiled=false", "training=adversarial"], (6,)),
        (["topology=rnn", "topology.width=4"], (5, 6)),
    ],
    ids=["dense", "adversarial", "recurrent"],
)
def test_a_net_becomes_discrete_and_continues_with_equal_bits(options, overrides, shape):
    keys = options(
        *("progression=layerwise", "progression.end=0.5", "epochs=2", "batch_size=4"),
        *("attack=none", *overrides),
    )
    program = build.program(keys, Task(shape, 2))
    assert len(activations_of(program.manager.model)) >= 1
    first, last = build.epochs(program, keys, data(shape))
    for part in ("weights", "activations"):
        assert 0 < first[f"discretized/{part}"] < last[f"discretized/{part}"] == 1
    assert program.train.experimental_get_tracing_count() == 1
    whole = program.state()
    program = build.program(keys, Task(shape, 2))
    next(build.epochs(program, keys, data(shape)))
    other = build.program(keys, Task(shape, 2))
    other.restore(program.state())
    list(build.epochs(other, keys, data(shape), start=1))
    assert [v.tobytes() for v in whole] == [v.tobytes() for v in other.state()]


def test_a_share_of_1_is_training_without_progression(options):
    states = []
    for choice in (["progression=two_stages", "progression.split=0"], []):
        keys = options("epochs=2", "batch_size=4", "topology.width=5", "compiled=false", *choice)
        program = build.program(keys, Task((6,), 2))
        *_, last = build.epochs(program, keys, data((6,)))
        assert ("discretized/weights" in last) == bool(choice)
        states.append([np.asarray(v) for v in program.manager.model.trainable_variables])
    for a, b in zip(*states, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
