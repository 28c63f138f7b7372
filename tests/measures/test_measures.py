"""Measures: sparsity, flips, saturation, bits, gradient shares and binary operations, each worked out by hand."""

from functools import partial

import keras
import numpy as np
import pytest

from brnn.measures.cost import binary_share, product_cost
from brnn.measures.gradients import gradient_shares
from brnn.measures.text import per_character
from brnn.measures.weights import (
    Weights,
    bits_per_weight,
    layer_rows,
    packed_size,
    snapshot,
    spectral_radii,
    weight_metrics,
)
from brnn.nets.cells import ClockworkCell, ScaledGRUCell
from brnn.nets.task import Task
from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager, Rule
from brnn.training import build

BINARY = partial(quantizers.binary, scale=1.0)
TERNARY = partial(quantizers.ternary, scale=1.0)
STE = partial(estimators.ste, bound=1.0)
BOUND = Rule("kernel", TERNARY, 1.0)
FREE = Rule("bias", TERNARY, None)


def weights(levels, rule=None, latent=None, path="a/kernel"):
    levels = np.float32(levels)
    return Weights(path, levels if latent is None else np.float32(latent), levels, rule)


def test_shares_of_each_variable_and_of_all():
    before = [
        weights([[1, 1], [0, 0]], BOUND),
        weights([-1, 0], FREE, path="a/bias"),
        weights([0, 2], path="b/gamma"),
    ]
    now = [
        weights(
            [[1, -1], [0, 1]], BOUND, latent=[[1, -0.99], [0.2, 1]]
        ),  # two flips, two at the bound
        weights([0, 0], FREE, latent=[0.1, 3], path="a/bias"),  # one flip; no bound to be at
        weights([0, 5], path="b/gamma"),  # real
    ]
    assert weight_metrics(now, before) == pytest.approx(
        {
            "sparsity/a/kernel": 1 / 4,
            "sparsity/a/bias": 1,
            "sparsity/b/gamma": 1 / 2,
            "sparsity/all": 4 / 8,
            "positive/a/kernel": 2 / 4,
            "positive/a/bias": 0,
            "positive/all": 2 / 6,
            "flip_rate/a/kernel": 2 / 4,
            "flip_rate/a/bias": 1 / 2,
            "flip_rate/all": 3 / 6,
            "at_bound/a/kernel": 2 / 4,
            "at_bound/all": 2 / 4,
        }
    )


def test_a_real_net_has_no_flips():
    metrics = weight_metrics([weights([1, 0])], [weights([2, 0])])
    assert metrics == {f"{name}/all": 0 for name in ("positive", "flip_rate", "at_bound")} | {
        "sparsity/a/kernel": 0.5,
        "sparsity/all": 0.5,
    }


def test_sparsity_is_the_share_of_zeros_in_the_plain_model():
    inputs = keras.Input((20,))
    model = keras.Model(inputs, keras.layers.Dense(30, name="one")(inputs))
    model.layers[1].kernel.assign(np.random.default_rng(0).uniform(-1, 1, (20, 30)))
    manager = QuantManager(model, [BOUND])
    weights = snapshot(manager)
    plain = np.concatenate([weight.ravel() for weight in manager.discretized().get_weights()])
    metrics = weight_metrics(weights, weights)
    assert metrics["sparsity/all"] == np.mean(plain == 0)
    assert 0.4 < metrics["sparsity/one/kernel"] < 0.6
    assert metrics["flip_rate/all"] == 0


@pytest.mark.parametrize(
    ("levels", "rule", "bits"),
    [
        ([1.5, 2.5], None, 32),
        ([1, -1, 1], BOUND, 1),
        ([1, 1, 1], BOUND, 1),
        ([1, 0, -1], BOUND, 2),
        ([0.0, -0.0, 1], BOUND, 1),
        ([1, 2, 4, 8, -1], BOUND, 3),
        (
            np.outer(np.arange(1, 401), np.linspace(1, 2, 300)),
            BOUND,
            32 * (400 + 300) / (400 * 300),
        ),  # of rank 1
    ],
)
def test_bits_of_a_weight(levels, rule, bits):
    assert bits_per_weight(weights(levels, rule)) == pytest.approx(bits)


def test_size_adds_up_the_bits():
    kernel, bias = weights(np.sign(np.arange(12) - 5.5).reshape(3, 4), BOUND), weights(np.zeros(4))
    assert packed_size([kernel, bias]) == {
        "size/parameters": 16,
        "size/bits_per_weight": (12 * 1 + 4 * 32) / 16,
        "size/packed_bytes": 18,  # 140 bits
        "size/float32_bytes": 64,
    }


def activated(*widths, estimator=STE):
    """A net of identity kernels, with a quantized activation after each but the last."""
    inputs = keras.Input((2,))
    x = inputs
    for number, width in enumerate(widths):
        if number:
            x = QuantActivation(BINARY, estimator, 2, name=f"sign_{number}")(x)
        x = keras.layers.Dense(width, kernel_initializer="identity", name=f"dense_{number}")(x)
    return keras.Model(inputs, x)


def test_gradient_share_is_that_of_the_inputs_of_each_activation():
    x = np.float32([[0.5, 3], [-1, 0.1], [2, 2], [1.5, -0.2]])  # of 8, 4 lie within 1
    shares = gradient_shares(QuantManager(activated(2, 2, 2), []), x)
    assert shares == {"gradient_share/sign_1": 4 / 8, "gradient_share/sign_2": 1}


def test_gradient_share_is_that_of_the_discretized_net():
    model = activated(2, 2)
    model.get_layer("dense_0").kernel.assign([[0.01, -0.01], [0.01, 0.01]])  # levels +-1
    x = np.float32([[0.8, 0.9]])  # 1.7 and 0.1
    assert gradient_shares(QuantManager(model, [BOUND_BINARY]), x) == {"gradient_share/sign_1": 0.5}


BOUND_BINARY = Rule("kernel", BINARY, 1.0)


def test_gradient_share_of_a_cell_is_that_of_all_its_steps():
    state = QuantActivation(BINARY, STE, 1, name="state")
    inputs = keras.Input((None, 1))
    cell = keras.layers.SimpleRNNCell(
        1, activation=state, kernel_initializer="ones", recurrent_initializer="ones"
    )
    manager = QuantManager(keras.Model(inputs, keras.layers.RNN(cell)(inputs)), [])
    x = np.float32(
        [[[0.5], [1.5], [-0.5], [-3]]]
    )  # with the states 0, 1, 1, 1 before: 0.5, 2.5, 0.5, -2
    assert gradient_shares(manager, x) == {"gradient_share/state": 2 / 4}
    np.testing.assert_array_equal(manager(x), [[-1]])


@pytest.mark.parametrize("unrolled", [False, True])  # Keras then calls the cell once less
def test_gradient_share_of_an_lstm_is_that_of_both_activations_of_each_step(unrolled):
    state = QuantActivation(BINARY, STE, 1, name="state")
    inputs = keras.Input((2, 1))
    lstm = keras.layers.LSTM(1, activation=state, unit_forget_bias=False, unroll=unrolled)
    manager = QuantManager(keras.Model(inputs, lstm(inputs)), [])
    lstm.set_weights(
        [np.float32([[0, 0, 1, 0]]), np.zeros((1, 4), "float32"), np.zeros(4, "float32")]
    )  # the candidate
    x = np.float32(
        [[[3.0], [0.5]]]
    )  # candidates 3 and 0.5; cells 0.5 * 1 = 0.5 and 0.5 * 0.5 + 0.5 = 0.75
    assert gradient_shares(manager, x) == {"gradient_share/state": 3 / 4}


class Fixed(QuantActivation):
    """A quantized activation whose quantizer stays what it is."""

    def __setattr__(self, name, value):
        assert name != "quantizer" or not hasattr(self, name)
        super().__setattr__(name, value)


def test_gradient_shares_leave_the_layers_as_they_are():
    inputs = keras.Input((None, 1))
    before = Fixed(BINARY, STE, 1, name="before")(inputs)
    cell = keras.layers.SimpleRNNCell(1, activation=Fixed(BINARY, STE, 2, name="state"))
    manager = QuantManager(keras.Model(inputs, keras.layers.RNN(cell)(before)), [])
    cell.set_weights([np.float32([[1]]), np.float32([[0.5]]), np.float32([0])])
    x = np.float32([[[0.5], [1.5], [-0.5]]])  # with half of 0, 1, 1 before: 1, 1.5, -0.5
    shares = gradient_shares(manager, x)
    assert shares == pytest.approx({"gradient_share/before": 2 / 3, "gradient_share/state": 2 / 3})


def test_a_net_without_quantized_activations_has_no_gradient_shares():
    inputs = keras.Input((2,))
    assert (
        gradient_shares(
            QuantManager(keras.Model(inputs, keras.layers.Dense(1)(inputs)), []), inputs
        )
        == {}
    )


def test_gradient_shares_have_the_same_names_in_every_net_of_a_process(options):
    x = np.zeros((2, 4), "float32")
    names = []
    for estimator in ("ste", "chernoff"):
        keys = options(
            f"estimator={estimator}", "topology.width=3", "topology.depth=2", "compiled=false"
        )
        names.append(list(gradient_shares(build.program(keys, Task((4,), 2)).manager, x)))
    assert names[0] == names[1]
    assert len(names[0]) == 2


def share(model, rules):
    manager = QuantManager(model, rules)
    return binary_share(manager, snapshot(manager))


def test_binary_share_counts_layers_with_two_levels_in_both_weights_and_inputs():
    model = activated(4, 3)  # 8 operations on the real input, 12 on signs
    for layer in ("dense_0", "dense_1"):
        kernel = model.get_layer(layer).kernel
        kernel.assign(np.random.default_rng(0).uniform(-1, 1, kernel.shape))
    assert share(model, [BOUND_BINARY]) == 12 / 20
    assert share(model, []) == 0
    assert share(model, [Rule("kernel", TERNARY, 1.0)]) == 0


def test_binary_share_of_a_convolution_counts_its_positions_and_passes_over_flatten():
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
    assert share(model, [BOUND_BINARY]) == pytest.approx((216 + 60) / (288 + 216 + 60 + 10))


def test_layers_names_the_quantizer_and_the_bits():
    manager = QuantManager(activated(2), [BOUND])
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


def recurrent(cell, rules, width=3):
    """The manager of a net of one recurrent layer of `cell` and a dense layer of two outputs, at fixed weights."""
    inputs = keras.Input((None, width))
    model = keras.Model(
        inputs, keras.layers.Dense(2, name="logits")(keras.layers.RNN(cell, name="loop")(inputs))
    )
    for number, variable in enumerate(model.trainable_variables):
        variable.assign(np.random.default_rng(number).uniform(-1, 1, variable.shape))
    return QuantManager(model, rules)


def costs(manager):
    found = product_cost(manager, snapshot(manager))
    return tuple(
        found[f"cost/{kind}"] for kind in ("float_multiplications", "sign_flips", "bit_shifts")
    )


def scaled(role, scale):
    return Rule(role, partial(quantizers.binary, scale=scale), scale)


def test_cost_of_a_step_by_what_the_weights_need():
    # a GRU of 4 units: W has 3 x 12, U 4 x 12 weights, its gates take 3 x 4 products; the logits have 4 x 2
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


def test_a_simple_recurrent_layer_has_no_gates():
    assert costs(recurrent(keras.layers.SimpleRNNCell(4), [])) == (12 + 16 + 8, 0, 0)


def test_a_clockwork_layer_multiplies_what_it_hears_when_it_updates():
    # 2 of 4 units update at each step and hear 3 inputs and 4 units, 2 at every second and hear 3 and 2; logits 4 x 2
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
        assert binary_share(manager, snapshot(manager)) == share


def test_the_spectral_radius_is_that_of_what_the_state_is_multiplied_by():
    all_alike = Rule("recurrent_kernel", lambda x, noise: 0 * x + 0.5, 1.0)
    radii = {
        name: spectral_radii(recurrent(cell, [all_alike]))["loop/cell/recurrent_kernel"]
        for name, cell in {
            "rnn": keras.layers.SimpleRNNCell(4, name="cell"),
            "gru": keras.layers.GRUCell(4, name="cell"),
            "scaled": ScaledGRUCell(4, -1, -3, name="cell"),
            "clockwork": ClockworkCell(4, [1, 2], name="cell"),
        }.items()
    }
    # 4 x 4 of 1/2 has an eigenvalue of 2; clockwork hears blocks of 2 x 2 on its diagonal
    assert radii == pytest.approx({"rnn": 2, "gru": 2, "scaled": 2 / 8, "clockwork": 1})


def test_nats_per_character_become_bits_and_perplexity():
    found = per_character({"train/loss": np.log(8), "test/accuracy": 0.5})
    assert found == pytest.approx({"train/bits_per_character": 3, "train/perplexity": 8})
