"""Measures of weights: sparsity, flips, bounds, bits and spectral radii, worked out by hand."""

from functools import partial

import keras
import numpy as np
import pytest
from support.measured_nets import TERNARY, TERNARY_KERNELS, activated, recurrent

from brnn.measures.weights import (
    Weights,
    bits_per_weight,
    flips,
    layer_rows,
    packed_size,
    snapshot,
    spectral_metrics,
    spectral_radii,
    weight_metrics,
)
from brnn.nets.cells import ClockworkCell, ScaledGRUCell
from brnn.quantization import quantizers
from brnn.quantization.manager import QuantManager, Rule

POWERS = Rule("kernel", quantizers.exponential, 1.0)
REAL = Rule("kernel", lambda x, noise: x, 1.0)
MEAN_SIZE = Rule("kernel", lambda x, noise: np.abs(x).mean() * np.sign(x), 1.0)
HALF_RANK = Rule("kernel", partial(quantizers.low_rank, ratio=0.5), 1.0)
FULL_RANK = Rule("kernel", partial(quantizers.low_rank, ratio=1.0), 1.0)
BY_CHANNEL = Rule("kernel", partial(quantizers.absmean_binary, by="channel"), 1.0)
RNG = np.random.default_rng(0)
UNBOUNDED = Rule("bias", TERNARY, None)


def weights(levels, rule=None, latent=None, path="a/kernel"):
    levels = np.float32(levels)
    return Weights(path, levels if latent is None else np.float32(latent), levels, rule)


def test_shares_of_each_variable_and_of_all_variables():
    before = [
        weights([[1, 1], [0, 0]], TERNARY_KERNELS),
        weights([-1, 0], UNBOUNDED, path="a/bias"),
        weights([0, 2], path="b/gamma"),
    ]
    now = [
        weights(
            [[1, -1], [0, 1]], TERNARY_KERNELS, latent=[[1, -0.99], [0.2, 1]]
        ),  # two flips, two at the bound
        weights([0, 0], UNBOUNDED, latent=[0.1, 3], path="a/bias"),  # one flip, no bound
        weights([0, 5], path="b/gamma"),  # real
    ]
    assert weight_metrics(now, before) == pytest.approx(
        {
            "variables/sparsity/a/kernel": 1 / 4,
            "variables/sparsity/a/bias": 1,
            "variables/sparsity/b/gamma": 1 / 2,
            "sparsity/all": 4 / 8,
            "variables/positive/a/kernel": 2 / 4,
            "variables/positive/a/bias": 0,
            "positive/all": 2 / 6,
            "variables/flip_rate/a/kernel": 2 / 4,
            "variables/flip_rate/a/bias": 1 / 2,
            "flip_rate/all": 3 / 6,
            "variables/at_bound/a/kernel": 2 / 4,
            "at_bound/all": 2 / 4,
            # of the sorted values -0.99, 0.2, 1, 1 at 0.15, 1.5 and 2.85 of 3 steps
            "variables/latent_low/a/kernel": -0.99 + 0.15 * 1.19,
            "variables/latent_median/a/kernel": 0.6,
            "variables/latent_high/a/kernel": 1,
            "variables/latent_low/a/bias": 0.1 + 0.05 * 2.9,
            "variables/latent_median/a/bias": 1.55,
            "variables/latent_high/a/bias": 3 - 0.05 * 2.9,
        }
    )


def test_a_variable_whose_levels_cannot_be_0_has_no_sparsity_of_its_own():
    binary = Rule("kernel", partial(quantizers.binary, scale=1.0), 1.0)
    now = [weights([1, -1], binary), weights([1, 0], TERNARY_KERNELS, path="b/kernel")]
    metrics = weight_metrics(now, now)
    assert "variables/sparsity/a/kernel" not in metrics
    assert (metrics["variables/sparsity/b/kernel"], metrics["sparsity/all"]) == (1 / 2, 1 / 4)


def test_a_real_net_has_no_flips():
    metrics = weight_metrics([weights([1, 0])], [weights([2, 0])])
    assert metrics == {f"{name}/all": 0 for name in ("positive", "flip_rate", "at_bound")} | {
        "variables/sparsity/a/kernel": 0.5,
        "sparsity/all": 0.5,
    }


def test_sparsity_is_the_share_of_zeros_of_the_discretized_model():
    inputs = keras.Input((20,))
    model = keras.Model(inputs, keras.layers.Dense(30, name="hidden")(inputs))
    model.layers[1].kernel.assign(np.random.default_rng(0).uniform(-1, 1, (20, 30)))
    manager = QuantManager(model, [TERNARY_KERNELS])
    weights = snapshot(manager)
    values = np.concatenate([weight.ravel() for weight in manager.discretized().get_weights()])
    metrics = weight_metrics(weights, weights)
    assert metrics["sparsity/all"] == np.mean(values == 0)
    assert 0.4 < metrics["variables/sparsity/hidden/kernel"] < 0.6
    assert metrics["flip_rate/all"] == 0


@pytest.mark.parametrize(
    ("levels", "rule", "bits"),
    [
        ([1.5, 2.5], None, 32),
        ([1, -1, 1], TERNARY_KERNELS, 1),
        ([1, 1, 1], TERNARY_KERNELS, 1),
        ([1, 0, -1], TERNARY_KERNELS, 2),
        ([0.0, -0.0, 1], TERNARY_KERNELS, 1),
        ([1, 2, 4, 8, -1], POWERS, 3),
        ([0.1, 2.7, 3.1], REAL, 32),
        ([0.3, -0.3] * 50, MEAN_SIZE, 1 + 2 * 32 / 100),  # the code book has two levels
        (RNG.normal(size=50), HALF_RANK, 32),  # a vector is unchanged
        (RNG.normal(size=(64, 10)), FULL_RANK, 32),  # few weights, and none like another
        (
            RNG.normal(size=(40, 1)) * RNG.normal(size=30),
            HALF_RANK,
            32 * (40 + 30) / (40 * 30),
        ),  # of rank 1
        ([[0.5, 0.25] * 100] * 200, FULL_RANK, 32 * (200 + 200) / (200 * 200)),
        (RNG.choice([-1, 1], (90, 8)) * np.arange(1.1, 9), BY_CHANNEL, 1 + 32 / 90),
        (RNG.choice([-1, 0, 1], (90, 8)) * np.arange(1.1, 9), BY_CHANNEL, 2 + 32 / 90),
        (RNG.choice([0.3, 0.7], (100, 100)), FULL_RANK, 1 + 2 * 32 / 10_000),
    ],
)
def test_bits_of_a_weight(levels, rule, bits):
    assert bits_per_weight(weights(levels, rule)) == pytest.approx(bits)


def test_size_adds_up_the_bits():
    kernel, bias = (
        weights(np.sign(np.arange(12) - 5.5).reshape(3, 4), TERNARY_KERNELS),
        weights(np.zeros(4)),
    )
    assert packed_size([kernel, bias]) == {
        "size/parameters": 16,
        "size/bits_per_weight": (12 * 1 + 4 * 32) / 16,
        "size/packed_bytes": 18,  # 140 bits
        "size/float32_bytes": 64,
    }


def test_layer_rows_name_keys_that_are_words():
    rows = layer_rows(QuantManager(activated(2), [BY_CHANNEL]))
    assert rows[0]["quantizer"] == "absmean_binary(by=channel)"


def test_layer_rows_name_the_quantizer_and_the_bits():
    manager = QuantManager(activated(2), [TERNARY_KERNELS])
    assert layer_rows(manager) == [
        {
            "path": "dense_0/kernel",
            "shape": (2, 2),
            "role": "kernel",
            "quantizer": "ternary(scale=1)",
            "parameters": 4,
            "bits_per_weight": 1,  # an identity has the levels 0 and 1
        },
        {
            "path": "dense_0/bias",
            "shape": (2,),
            "role": "bias",
            "quantizer": "real",
            "parameters": 2,
            "bits_per_weight": 32,
        },
    ]


def test_spectral_radius_is_that_of_the_matrix_that_multiplies_the_state():
    halves = Rule("recurrent_kernel", lambda x, noise: 0 * x + 0.5, 1.0)
    radii = {
        name: spectral_radii(recurrent(cell, [halves]))["loop/cell/recurrent_kernel"]
        for name, cell in {
            "rnn": keras.layers.SimpleRNNCell(4, name="cell"),
            "gru": keras.layers.GRUCell(4, name="cell"),
            "scaled": ScaledGRUCell(4, -1, -3, name="cell"),
            "clockwork": ClockworkCell(4, [1, 2], name="cell"),
        }.items()
    }
    # 4 x 4 of 1/2 has an eigenvalue of 2; modules of clockwork read 2 x 2 on the diagonal
    assert radii == pytest.approx({"rnn": 2, "gru": 2, "scaled": 2 / 8, "clockwork": 1})


def test_spectral_metrics_are_named_after_the_variable():
    manager = recurrent(keras.layers.GRUCell(4, name="cell"), [])
    ((path, radius),) = spectral_radii(manager).items()
    assert path == "loop/cell/recurrent_kernel"
    assert spectral_metrics(manager) == {f"spectral_radius/{path}": radius}


def test_another_scale_is_no_flip():
    scaled = Rule("kernel", partial(quantizers.absmean_ternary, by="channel"), None)
    by_tensor = Rule("kernel", partial(quantizers.absmean_ternary, by="tensor"), None)
    before = np.float32([[0.5, -2], [0, 2], [-0.5, 2]])
    after = np.float32([[0.7, -1], [0.7, 1], [-0.6, 1]])  # one zero has become a level
    assert flips(before, after, scaled).tolist() == [[False, False], [True, False], [False, False]]
    assert not flips(np.float32([0.5, -0.5]), np.float32([0.25, -0.25]), scaled).any()
    assert not flips(np.float32([[0.5, -0.5]]), np.float32([[0.4, -0.4]]), by_tensor).any()
    several = np.float32([[0.5], [0.25], [-1]])  # several sizes: every change of a value counts
    moved = np.float32([[0.5], [0.5], [-1]])
    assert flips(several, moved, scaled).tolist() == [[False], [True], [False]]
    fixed = Rule("kernel", quantizers.exponential, None)
    assert flips(np.float32([[0.5, 0.25]]), np.float32([[1, 0.25]]), fixed).tolist() == [
        [True, False]
    ]
    learned = partial(quantizers.trained_ternary, positive=1.0, negative=1.0, threshold=0.05)
    learned = Rule("kernel", learned, 1.0, learned=("positive", "negative"))
    assert not flips(np.float32([[1, -1]]), np.float32([[0.9, -1.1]]), learned).any()
