"""Precisions: levels of each role and of the hidden activation; layers that stay real-valued."""

from functools import partial

import keras
import numpy as np
import pytest

from brnn.nets.cells import MUT1Cell
from brnn.nets.dense import dense
from brnn.nets.task import Task
from brnn.quantization import precisions
from brnn.quantization.manager import QuantManager

TOPOLOGY = {
    "first_width": None,
    "width": 8,
    "depth": 2,
    "activation": "tanh",
    "batch_normalization": True,
    "dropout": 0.0,
    "real_first": False,
    "real_last": False,
    "binary_input": False,
}
SCALED = {
    "binaryconnect": (precisions.binaryconnect, {-0.5, 0.5}),
    "binarynet": (precisions.binarynet, {-0.5, 0.5}),
    "ternary": (precisions.ternary, {-0.5, 0, 0.5}),
    "stochastic_binary": (precisions.stochastic_binary, {-0.5, 0.5}),
    "stochastic_ternary": (precisions.stochastic_ternary, {-0.5, 0, 0.5}),
}


def net(**keys):
    activate = lambda name, fan_in: keras.layers.Activation(name)  # noqa: E731
    model = dense(Task((6,), 3), activate, **TOPOLOGY | keys)
    for number, variable in enumerate(model.trainable_variables):
        variable.assign(np.random.default_rng(number).uniform(-1, 1, variable.shape))
    return model


def discretized(precision, **keys):
    manager = QuantManager(net(**keys), precision.rules)
    rows = zip(manager.model.trainable_variables, manager.levels(), manager.rules, strict=True)
    return {v.path: (np.asarray(level), rule) for v, level, rule in rows}


@pytest.mark.parametrize(
    ("precision", "levels", "binary_activation"),
    [(precisions.xnor, 2, True), (precisions.twn, 3, False), (precisions.bitnet, 3, False)],
)
@pytest.mark.parametrize("by", ["tensor", "channel"])
def test_scales_by_rule_are_of_kernels_and_of_a_tensor_or_its_channels(
    precision, levels, binary_activation, by
):
    chosen = precision(by=by, bound=1.0)
    for path, (values, rule) in discretized(chosen).items():
        if path.endswith("kernel"):
            parts = values.T if by == "channel" else [values]
            assert all(len(np.unique(part)) <= levels for part in parts)
            assert len(np.unique(np.abs(values[values != 0]))) == (
                values.shape[1] if by == "channel" else 1
            )
        else:
            assert rule is None
    assert (chosen.activation is not None) is binary_activation


def test_full_discretizes_nothing():
    assert precisions.full() == precisions.Precision((), None)


@pytest.mark.parametrize("name", SCALED)
def test_kernels_and_biases_have_scaled_levels_as_bounds(name):
    precision, expected = SCALED[name]
    weights = discretized(precision(scale=0.5))
    chosen = {
        path: (set(np.unique(level)), rule.bound) for path, (level, rule) in weights.items() if rule
    }
    layers = ("hidden_0", "hidden_1", "logits")
    assert chosen.keys() == {f"{layer}/{role}" for layer in layers for role in ("kernel", "bias")}
    assert set.union(*(levels for levels, _ in chosen.values())) == expected
    assert {bound for _, bound in chosen.values()} == {0.5}


@pytest.mark.parametrize("name", SCALED)
def test_recurrent_kernels_are_discretized_too(name):
    model = keras.Sequential([keras.Input((4, 6)), keras.layers.GRU(3)])
    assert None not in QuantManager(model, SCALED[name][0](scale=1.0).rules).rules


def test_layers_with_the_prefix_real_stay_real():
    weights = discretized(precisions.binarynet(scale=1.0), real_first=True, real_last=True)
    assert {path for path, (_, rule) in weights.items() if rule} == {
        "hidden_1/kernel",
        "hidden_1/bias",
    }


def test_layer_named_really_is_discretized():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(2, name="really"),
            keras.layers.Dense(2, name="a_real_b"),
        ]
    )
    assert None not in QuantManager(model, precisions.binaryconnect(scale=1.0).rules).rules


def test_only_binarynet_quantizes_activations_to_levels_of_one():
    x = np.float32([-2, -0.1, 0, 0.1, 2])
    np.testing.assert_array_equal(
        precisions.binarynet(scale=0.125).activation(x, None), [-1, -1, 1, 1, 1]
    )
    others = [
        partial(precision, scale=1.0)
        for name, (precision, _) in SCALED.items()
        if name != "binarynet"
    ]
    others += [
        partial(precisions.exponential, bound=1.0),
        partial(precisions.low_rank, ratio=0.5, bound=1.0),
    ]
    assert [other().activation for other in others] == [None] * len(others)


def test_exponential_weights_are_powers_of_two_within_the_bound():
    weights = discretized(precisions.exponential(bound=1.0))
    levels = np.concatenate([level.ravel() for level, rule in weights.values() if rule])
    assert set(np.abs(np.frexp(levels)[0])) == {0.5}
    assert np.abs(levels).max() <= 1
    assert sum(rule is not None for _, rule in weights.values()) == 6


def test_low_rank_reduces_kernels_and_leaves_biases_real():
    weights = discretized(precisions.low_rank(ratio=0.25, bound=2.0))
    ranks = {
        path: np.linalg.matrix_rank(level, tol=1e-4)
        for path, (level, rule) in weights.items()
        if rule
    }
    # a quarter of 6, 8 and 3, rounded up
    assert ranks == {"hidden_0/kernel": 2, "hidden_1/kernel": 2, "logits/kernel": 1}
    assert {rule.bound for _, rule in weights.values() if rule} == {2.0}


CONTEXT = {"kernel_scale": 0.5, "recurrent_scale": 0.125, "bias_scale": 0.25}
OF_ROLE = {"kernel": 0.5, "recurrent_kernel": 0.125, "bias": 0.25, "input_projection": 0.5}


def by_role(precision):
    """The levels and the bound of each role of a recurrent net; of the real ones None."""
    inputs = keras.Input((4, 6))
    model = keras.Model(inputs, keras.layers.RNN(MUT1Cell(16))(inputs))
    for number, variable in enumerate(model.trainable_variables):
        variable.assign(np.random.default_rng(number).uniform(-0.5, 0.5, variable.shape))
    manager = QuantManager(model, precision.rules)
    rows = zip(model.trainable_variables, manager.levels(), manager.rules, strict=True)
    return {
        v.name: None if rule is None else (set(np.unique(level)), rule.bound)
        for v, level, rule in rows
    }


@pytest.mark.parametrize(
    ("roles", "chosen"),
    [
        ("all", {"kernel", "recurrent_kernel", "bias", "input_projection"}),
        ("hidden", {"recurrent_kernel"}),
        ("input", {"kernel", "bias", "input_projection"}),
    ],
)
def test_contextual_levels_and_bounds_are_the_scale_of_the_role(roles, chosen):
    levels_and_bounds = by_role(precisions.contextual_binary(**CONTEXT, roles=roles))
    assert levels_and_bounds == {
        role: ({-s, s}, s) if role in chosen else None for role, s in OF_ROLE.items()
    }


def test_contextual_ternary_has_zeros_too():
    levels_and_bounds = by_role(precisions.contextual_ternary(**CONTEXT, roles="all"))
    assert levels_and_bounds == {role: ({-s, 0, s}, s) for role, s in OF_ROLE.items()}


def test_custom_has_a_quantizer_for_each_role():
    precision = precisions.custom(
        kernel={"quantizer": "ternary", "scale": 0.25},
        recurrent_kernel={"quantizer": "exponential", "bound": 2.0},
        bias=None,
        activation={"quantizer": "binary", "scale": 1.0},
    )
    levels_and_bounds = by_role(precision)
    assert (
        levels_and_bounds["kernel"]
        == levels_and_bounds["input_projection"]
        == ({-0.25, 0, 0.25}, 0.25)
    )
    levels, bound = levels_and_bounds["recurrent_kernel"]
    assert bound == 2.0
    assert {float(np.frexp(abs(level))[0]) for level in levels} == {0.5}
    assert levels_and_bounds["bias"] is None
    np.testing.assert_array_equal(precision.activation(np.float32([-3, 0]), None), [-1, 1])
