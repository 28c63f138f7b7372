"""Exact robustness: verdicts of exhaustive search; nothing breaks a certified image."""

import importlib.util
import itertools
from fractions import Fraction
from functools import partial

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brnn.errors import ConfigError
from brnn.nets import dense
from brnn.nets.task import Task
from brnn.proof import cp_sat, program, reading
from brnn.proof.exact import exact
from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation

SOLVERS = ["highs", *(["cp_sat"] if importlib.util.find_spec("ortools") else [])]
KEYS = {
    "activation": "tanh",
    "batch_normalization": False,
    "dropout": 0.0,
    "real_first": False,
    "real_last": False,
    "binary_input": True,
}


def net(seed, pixels=6, widths=(5,), one_bit=True, batch_normalization=False, classes=3, scale=1.0):
    """A net of random signs times a scale."""

    def activate(name, fan_in):
        return QuantActivation(partial(quantizers.binary, scale=1.0), estimators.identity, fan_in)

    keys = KEYS | {"binary_input": one_bit, "batch_normalization": batch_normalization}
    keys |= {"first_width": None, "width": widths[0], "depth": len(widths)}
    model = dense.dense(Task((pixels,), classes), activate, **keys)
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            layer.set_weights(
                [rng.choice([-scale, scale], value.shape) for value in layer.get_weights()]
            )
        elif isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    rng.normal(1, 0.5, gamma.shape),
                    rng.normal(0, 1, beta.shape),
                    mean + 0.3,
                    variance * 4,
                ]
            )
    return model


def everything(x, epsilon):
    """One image for each input of bits that lies within epsilon of `x`."""
    choices = [
        sorted({v >= 0.5 for v in (max(p - epsilon, 0), min(p + epsilon, 1))})
        for p in x.astype("float64")
    ]
    return np.float32(list(itertools.product(*choices)))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("widths", [(5,), (4, 4)])
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.2, 0.4]))
def test_verdict_is_that_of_exhaustive_search(solver, widths, seed, epsilon):
    model = net(seed, widths=widths)
    x = np.random.default_rng(seed).uniform(size=6).astype("float32")
    label = int(np.argmax(model(x[None])[0]))
    verdict = exact(model, x, label, None, epsilon=epsilon, solver=solver, seconds=20.0)
    classes = np.argmax(model(everything(x, epsilon)), -1)
    assert verdict.status == (cp_sat.BROKEN if (classes != label).any() else cp_sat.CERTIFIED)
    if verdict.status == cp_sat.BROKEN:
        assert np.argmax(model(verdict.image[None])[0]) != label
        assert np.abs(verdict.image - x).max() <= epsilon + 1e-6


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("batch_normalization", [False, True])
def test_no_random_image_breaks_a_certified_one_with_grey_pixels(seed, batch_normalization):
    model = net(seed, pixels=8, one_bit=False, batch_normalization=batch_normalization)
    rng = np.random.default_rng(seed)
    statuses = set()
    for epsilon in (0.02, 0.3):
        x = rng.uniform(size=8).astype("float32")
        label = int(np.argmax(model(x[None])[0]))
        verdict = exact(model, x, label, None, epsilon=epsilon, solver="highs", seconds=20.0)
        images = np.clip(x + rng.uniform(-epsilon, epsilon, (3000, 8)), 0, 1).astype("float32")
        broken = (np.argmax(model(images), -1) != label).any()
        assert not (broken and verdict.status == cp_sat.CERTIFIED)
        statuses.add(verdict.status)
    assert statuses <= {cp_sat.CERTIFIED, cp_sat.BROKEN, cp_sat.UNKNOWN}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scale", [0.5, 1e-3, 0.1, 0.3])
def test_no_certificate_is_wrong_at_any_scale_of_the_weights(solver, scale):
    for seed in range(6):
        model, x = net(seed, scale=scale), np.full(6, 0.45, "float32")
        label = int(np.argmax(model(x[None])[0]))
        verdict = exact(model, x, label, None, epsilon=0.1, solver=solver, seconds=20.0)
        broken = (np.argmax(model(everything(x, 0.1)), -1) != label).any()
        if scale == 0.5:  # sums in float32 are exact
            assert verdict.status == (cp_sat.BROKEN if broken else cp_sat.CERTIFIED)
        else:
            assert verdict.status in (cp_sat.BROKEN if broken else cp_sat.CERTIFIED, cp_sat.UNKNOWN)


@pytest.mark.parametrize("gamma", [1.0, 1e-5])
def test_small_sums_count_as_much_as_large_ones(gamma):
    model = net(0, pixels=4, widths=(4,), batch_normalization=True, classes=2)
    layers = {layer.name: layer for layer in model.layers}
    layers["hidden_0"].set_weights([np.eye(4) * 2, -np.ones(4)])
    layers["logits"].set_weights([np.float32([[1, -1]] * 4), np.zeros(2)])
    for name, scale in (("normalization_0", gamma), ("normalization_logits", 1.0)):
        shape = layers[name].gamma.shape
        layers[name].set_weights(
            [np.full(shape, scale), np.zeros(shape), np.zeros(shape), np.ones(shape)]
        )
    x = np.full(4, 0.6, "float32")  # class 0; three bits must flip to break it
    verdict = exact(model, x, 0, None, epsilon=0.2, solver="highs", seconds=10.0)
    assert verdict.status == cp_sat.BROKEN
    x[:3] = 0.9  # three bits are out of reach
    verdict = exact(model, x, 0, None, epsilon=0.2, solver="highs", seconds=10.0)
    assert verdict.status == cp_sat.CERTIFIED


def test_cp_sat_refuses_what_whole_numbers_cannot_state():
    model = net(0)
    program.check_whole(reading.read(model)[1])
    kernel = np.random.default_rng(0).normal(size=(6, 5)) * np.float32([[1], [1e-9]] * 3)
    model.get_layer("hidden_0").kernel.assign(kernel)
    with pytest.raises(ConfigError, match=r"small multiples of one number.* the layer hidden_0"):
        program.check_whole(reading.read(model)[1])
    grey, x = net(0, one_bit=False), np.full(6, 0.45, "float32")
    label = int(np.argmax(grey(x[None])[0]))
    with pytest.raises(ConfigError, match="cp_sat needs a net of one-bit inputs"):
        exact(grey, x, label, None, epsilon=0.4, solver="cp_sat", seconds=5.0)


def test_weights_have_a_common_unit_if_they_are_multiples_of_a_number():
    assert program.common_unit([0.1, -0.1, 0.2, 0.0]) == Fraction(0.1)
    assert program.common_unit([1.0, 0.25]) == Fraction(1, 4)
    assert program.common_unit([0.1, 0.3]) is None  # neither is exact in binary


def test_an_image_that_is_wrong_already_is_broken_by_itself():
    model, x = net(0), np.full(6, 0.3, "float32")
    label = int(np.argmin(model(x[None])[0]))
    verdict = exact(model, x, label, None, epsilon=0.1, solver="highs", seconds=1.0)
    assert verdict.status == cp_sat.BROKEN
    np.testing.assert_array_equal(verdict.image, x)


def test_bits_far_from_flipping_are_certified_without_a_solver():
    model, x = net(1), np.float32([0.0, 0.1, 0.9, 1.0, 0.2, 0.8])
    label = int(np.argmax(model(x[None])[0]))
    one_bit, layers = reading.read(model)
    assert one_bit
    assert program.build_program(layers, one_bit, x.astype("float64"), label, 0.2) is None


def test_equal_logits_count_for_the_first_class():
    model = net(0, pixels=1, widths=(1,), classes=2)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            layer.set_weights([np.ones_like(value) for value in layer.get_weights()])
    x = np.float32([0.5])  # both logits are always equal, so that class 0 always wins
    assert (
        exact(model, x, 0, None, epsilon=0.3, solver="highs", seconds=1.0).status
        == cp_sat.CERTIFIED
    )
    assert (
        exact(model, x, 1, None, epsilon=0.3, solver="highs", seconds=1.0).status == cp_sat.BROKEN
    )


def test_real_activations_are_refused():
    keys = KEYS | {"first_width": None, "width": 3, "depth": 1}
    model = dense.dense(Task((4,), 2), lambda name, _: keras.layers.Activation(name), **keys)
    with pytest.raises(ConfigError, match="needs dense layers and binary activations"):
        reading.read(model)


def test_a_rescaling_that_does_not_belong_to_one_bit_inputs_is_refused():
    rescaled = keras.Sequential(
        [keras.Input((4,)), keras.layers.Rescaling(2.0, -1.0), keras.layers.Dense(2)]
    )
    with pytest.raises(ConfigError, match=r"needs dense layers .*, got rescaling"):
        reading.read(rescaled)
