"""Costs of products and the share of binary ones, worked out by hand."""

from functools import partial

import keras
import numpy as np
import pytest
from support.measured_nets import (
    BINARY,
    BINARY_KERNELS,
    STE,
    TERNARY_KERNELS,
    activated,
    recurrent,
)

from brnn.measures.cost import product_metrics
from brnn.measures.weights import snapshot
from brnn.nets.cells import ClockworkCell, ScaledGRUCell
from brnn.quantization import quantizers
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager, Rule


def binary_share(manager):
    return product_metrics(manager, snapshot(manager))["size/binary_share"]


def test_binary_share_counts_layers_with_two_levels_in_both_weights_and_inputs():
    model = activated(4, 3)  # 8 operations on the real input, 12 on signs
    for layer in ("dense_0", "dense_1"):
        kernel = model.get_layer(layer).kernel
        kernel.assign(np.random.default_rng(0).uniform(-1, 1, kernel.shape))
    assert binary_share(QuantManager(model, [BINARY_KERNELS])) == 12 / 20
    assert binary_share(QuantManager(model, [])) == 0
    assert binary_share(QuantManager(model, [TERNARY_KERNELS])) == 0


def test_binary_share_of_a_convolution_counts_its_positions_and_ignores_flatten():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(2, 3),  # 9 x 2 weights at 4 x 4 positions
            QuantActivation(BINARY, STE, 9),
            keras.layers.Conv2D(3, 3),  # 18 x 3 weights at 2 x 2 positions
            QuantActivation(BINARY, STE, 18),
            keras.layers.Flatten(),
            keras.layers.Dense(5),  # 12 x 5
            keras.layers.Activation("tanh"),
            keras.layers.Dense(2),  # on real values
        ]
    )
    assert binary_share(QuantManager(model, [BINARY_KERNELS])) == pytest.approx(
        (216 + 60) / (288 + 216 + 60 + 10)
    )


@pytest.mark.parametrize(("padding", "share"), [("zero", 0), ("one", 1)])
def test_zeros_around_signs_are_a_third_level(padding, share):
    x = inputs = keras.Input((4, 4, 1))
    x = QuantActivation(BINARY, STE, 1)(x)
    if padding == "zero":
        x = keras.layers.ZeroPadding2D(1)(x)
    else:
        x = keras.ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1.0)
    model = keras.Model(inputs, keras.layers.Conv2D(2, 3)(x))
    assert binary_share(QuantManager(model, [BINARY_KERNELS])) == share


def costs(manager):
    metrics = product_metrics(manager, snapshot(manager))
    return tuple(
        metrics[f"cost/{kind}"] for kind in ("float_multiplications", "sign_flips", "bit_shifts")
    )


def scaled(role, scale):
    return Rule(role, partial(quantizers.binary, scale=scale), scale)


def test_cost_of_a_step_by_what_the_weights_need():
    # a GRU of 4 units: W has 3 x 12 and U 4 x 12 weights, the gates take 3 x 4 products, and the
    # logits have 4 x 2 weights
    gru = keras.layers.GRUCell
    assert costs(recurrent(gru(4), [])) == (36 + 48 + 8 + 12, 0, 0)
    rules = [scaled("kernel", 1.0), scaled("recurrent_kernel", 0.125)]
    assert costs(recurrent(gru(4), rules)) == (
        12,
        36 + 48 + 8,
        12,
    )  # the scale of U is one shift for each sum
    rules = [scaled("kernel", 1.0), scaled("recurrent_kernel", 0.3)]
    assert costs(recurrent(gru(4), rules)) == (12 + 12, 36 + 48 + 8, 0)
    powers = Rule("recurrent_kernel", quantizers.exponential, 1.0)
    assert costs(recurrent(gru(4), [scaled("kernel", 1.0), powers])) == (12, 36 + 8, 48)


def test_shifts_of_a_scaled_gru_cost_six_for_each_unit():
    rules = [scaled("kernel", 1.0), scaled("recurrent_kernel", 1.0)]
    assert costs(recurrent(ScaledGRUCell(4, -1, -3), rules)) == (12, 36 + 48 + 8, 24)


def test_simple_recurrent_layer_has_no_gates():
    assert costs(recurrent(keras.layers.SimpleRNNCell(4), [])) == (12 + 16 + 8, 0, 0)


def test_clockwork_layer_multiplies_the_states_that_it_reads_when_it_updates():
    # 2 of 4 units update at each step and read 3 inputs and 4 units; 2 update at every second step
    # and read 3 inputs and 2 units; the logits have 4 x 2 weights
    assert costs(recurrent(ClockworkCell(4, [1, 2]), [])) == (
        2 * (3 + 4) + 2 * (3 + 2) / 2 + 8,
        0,
        0,
    )
    rules = [scaled("kernel", 1.0), scaled("recurrent_kernel", 0.125)]
    assert costs(recurrent(ClockworkCell(4, [1, 2]), rules)) == (
        0,
        27,
        2 + 2 / 2,
    )  # a shift for each sum of U


def test_binary_share_of_a_recurrent_net_counts_its_state_where_that_is_binary():
    signs = QuantActivation(BINARY, STE, 7)
    rules = [scaled("kernel", 1.0), scaled("recurrent_kernel", 1.0)]
    for cell, share in (
        (keras.layers.SimpleRNNCell(4, activation=signs), 24 / 36),
        (keras.layers.SimpleRNNCell(4), 0),
    ):
        manager = recurrent(cell, rules)
        assert binary_share(manager) == share


def answering_once(steps):
    """A recurrent layer of 4 units on 3 inputs, with a normalization and a logit at its end."""
    inputs = keras.Input((steps, 3))
    x = keras.layers.RNN(keras.layers.SimpleRNNCell(4))(inputs)
    x = keras.layers.BatchNormalization()(keras.layers.Dense(5)(x))
    return QuantManager(keras.Model(inputs, x), [])


def test_what_comes_once_per_sequence_is_shared_by_its_steps():
    any_length, fixed = answering_once(None), answering_once(10)
    cost = "cost/float_multiplications"
    once = 4 * 5 + 5
    assert product_metrics(any_length, snapshot(any_length), 10)[cost] == 12 + 16 + once / 10
    assert product_metrics(fixed, snapshot(fixed))[cost] == 12 + 16 + once / 10


def test_a_layer_of_each_step_counts_once_per_step_whether_the_length_is_fixed_or_not():
    for steps in (None, 10):
        inputs = keras.Input((steps, 3))
        x = keras.layers.SimpleRNN(4, return_sequences=True)(keras.layers.Dense(2)(inputs))
        manager = QuantManager(keras.Model(inputs, keras.layers.Dense(5)(x)), [])
        assert costs(manager)[0] == 3 * 2 + (2 * 4 + 4 * 4) + 4 * 5
