"""Starts: latent weights of a trained net, in the units of the new net's bounds."""

from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest

from brnn.errors import ConfigError
from brnn.nets.task import Task
from brnn.quantization import quantizers
from brnn.quantization.manager import QuantManager, Rule
from brnn.training import build
from brnn.training.starts import (
    Start,
    Weight,
    initial_values,
    latent_file,
    read_weights,
    take_learned,
)

KERNEL = np.float32([[0.5, -0.25], [0.1, 0.15]])  # mean size 0.25
BINARY = partial(quantizers.binary, scale=1.0)
BIAS = np.float32([3.0, -4.0])


def manager(*rules, units=2):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units, name="one")])
    return QuantManager(model, rules)


def rule(role="kernel", bound=None, quantizer=BINARY):
    return Rule(role, quantizer, bound)


def starts(weights, *rules):
    return initial_values(weights, manager(*rules))


REAL = [Weight(KERNEL, KERNEL), Weight(BIAS, BIAS)]


def test_real_weights_stay_as_they_are_in_a_real_net():
    for value, expected in zip(starts(REAL), (KERNEL, BIAS), strict=True):
        np.testing.assert_array_equal(value, expected)


def test_real_weights_are_scaled_so_that_the_bound_is_1_4_of_their_mean_size():
    kernel, bias = starts(REAL, rule(bound=2.0))
    np.testing.assert_allclose(
        kernel, [[2.0, -2 * 0.25 / 0.35], [0.2 / 0.35, 0.3 / 0.35]], rtol=1e-6
    )
    np.testing.assert_array_equal(bias, BIAS)


def test_a_ternary_start_has_the_zeros_of_the_threshold_of_twn():
    w = np.random.default_rng(0).normal(size=(2, 2000)).astype("float32")
    new = manager(rule(bound=1.0), units=2000)
    kernel, _ = initial_values([Weight(w, w), Weight(w[0], w[0])], new)
    ternary = np.asarray(quantizers.ternary(kernel, None, scale=1.0))
    twn = np.asarray(quantizers.threshold_ternary(w, None, by="tensor"))
    assert np.mean((ternary == 0) != (twn == 0)) < 1e-3  # up to rounding at the threshold
    np.testing.assert_array_equal(np.sign(kernel), np.sign(w))


def test_latent_weights_keep_their_share_of_the_bound_if_they_give_the_same_levels():
    levels = np.where(KERNEL >= 0, 1, -1).astype("float32")
    weights = [Weight(levels, KERNEL, bound=1.0), Weight(BIAS, BIAS)]
    kernel, _ = starts(weights, rule(bound=0.5, quantizer=partial(quantizers.binary, scale=0.5)))
    np.testing.assert_allclose(kernel, KERNEL / 2)
    ternary = partial(quantizers.ternary, scale=0.5)  # 0 within ±0.25, as all of KERNEL / 2 but one
    kernel, _ = starts(weights, rule(bound=0.5, quantizer=ternary))
    np.testing.assert_allclose(kernel, np.clip(KERNEL * 0.5 / 0.35, -0.5, 0.5), rtol=1e-6)
    large = [Weight(levels, 0.9 * levels, bound=1.0), weights[1]]
    kernel, _ = starts(large, rule(bound=0.5, quantizer=ternary))
    np.testing.assert_allclose(kernel, 0.45 * levels)
    kernel, _ = starts(weights)  # the new net keeps it real: the levels
    np.testing.assert_array_equal(kernel, levels)
    kernel, _ = starts(weights, rule(quantizer=partial(quantizers.absmean_binary, by="tensor")))
    np.testing.assert_array_equal(kernel, KERNEL)  # without a bound


def test_a_variable_of_zeros_stays_so():
    zeros = np.zeros((2, 2), "float32")
    kernel, _ = starts([Weight(zeros, zeros), REAL[1]], rule(bound=1.0))
    np.testing.assert_array_equal(kernel, zeros)


def test_the_file_of_latent_weights_is_read_as_written():
    old = manager(rule(bound=0.5), rule("bias"))
    old.model.set_weights([KERNEL, BIAS])
    kernel, bias = read_weights(old.weights(), latent_file(old))
    np.testing.assert_array_equal(kernel.value, [[1, -1], [1, 1]])
    np.testing.assert_array_equal(kernel.latent, KERNEL)
    np.testing.assert_array_equal(bias.latent, BIAS)
    assert (kernel.bound, bias.bound) == (0.5, 0.0)


def test_learned_levels_are_read_as_written():
    levels = partial(quantizers.trained_ternary, positive=1.0, negative=1.0, threshold=0.05)
    learned = Rule("kernel", levels, 1.0, learned=("positive", "negative"), by="channel")
    old = manager(learned)
    old.learned[0]["positive"].assign([0.5, 2.0])
    kernel, bias = read_weights(old.weights(), latent_file(old))
    assert {name: value.tolist() for name, value in kernel.learned.items()} == {
        "positive": [0.5, 2.0],
        "negative": [1.0, 1.0],
    }
    assert not bias.learned
    new = manager(learned)
    take_learned([kernel, bias], new)
    assert new.learned[0]["positive"].numpy().tolist() == [0.5, 2.0]
    assert new.learned[0]["negative"].numpy().tolist() == [1.0, 1.0]
    single = Weight(kernel.value, kernel.latent, 1.0, {"positive": np.float32(0.7)})
    take_learned([single, bias], new)  # one number for both channels
    assert new.learned[0]["positive"].numpy().tolist() == pytest.approx([0.7, 0.7])
    assert new.learned[0]["negative"].numpy().tolist() == [1.0, 1.0]
    by_tensor = manager(replace(learned, by="tensor"))
    take_learned([kernel, bias], by_tensor)  # two numbers for one
    assert float(by_tensor.learned[0]["positive"]) == 1.0


def test_a_start_has_the_levels_of_a_net_with_a_learned_scale(options):
    """Also where the scale has become negative, which turns all signs."""
    keys = options("precision=learned_binary", "topology.width=4", "topology=mlp")
    old = build.program(keys, Task((3,), 2)).manager
    for arguments in old.learned:
        for argument in arguments.values():
            argument.assign(-0.5 * argument)
    given = read_weights(old.weights(), latent_file(old))
    new = build.program(keys | {"seed": 1}, Task((3,), 2), start=Start(given)).manager
    assert len(new.arguments) >= 2
    for ours, theirs in zip(new.weights(), old.weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_file_of_a_net_that_is_averaged_has_averages():
    learned = Rule("kernel", partial(quantizers.binary, scale=1.0), 1.0, learned=("scale",))
    old = manager(learned)
    old.averages = [keras.Variable(0.5 * variable.numpy()) for variable in old.trained]
    kernel, _ = read_weights(old.weights(), latent_file(old))
    np.testing.assert_array_equal(kernel.latent, old.averages[0].numpy())
    assert float(kernel.learned["scale"]) == 0.5
    assert np.abs(kernel.value).max() == 0.5


def test_a_depthwise_kernel_keeps_its_levels_by_channel():
    model = keras.Sequential([keras.Input((3, 3, 4)), keras.layers.DepthwiseConv2D(2)])
    levels = partial(quantizers.absmean_ternary, by="channel")
    old = QuantManager(model, [Rule("kernel", levels, 1.0)])
    latent = np.random.default_rng(0).normal(size=(2, 2, 4, 1)).clip(-1, 1).astype("float32")
    old.model.set_weights([latent, np.zeros(4)])
    kernel, _ = initial_values(read_weights(old.weights(), latent_file(old)), old)
    np.testing.assert_array_equal(kernel, latent)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([Weight(KERNEL[:1], KERNEL[:1]), REAL[1]], r"one/kernel is \(2, 2\) here and \(1, 2\) th"),
        (REAL[:1], "this net has 2 variables and that one 1"),
        ([*REAL, REAL[0]], "this net has 2 variables and that one 3"),
    ],
)
def test_other_shapes_are_named(weights, message):
    with pytest.raises(ConfigError, match=f"init.from must be a run .* same shapes; .*{message}"):
        starts(weights, rule(bound=1.0))
