"""The manager: rules by path and role, levels, and the discretized model of any Keras model."""

from functools import partial

import keras
import numpy as np
import pytest
from support.small_nets import layered

from brnn.errors import ConfigError
from brnn.quantization import quantizers
from brnn.quantization.manager import QuantManager, Rule

BINARY = partial(quantizers.binary, scale=1.0)
TERNARY = partial(quantizers.ternary, scale=0.5)
X = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")


def by_path(manager):
    return dict(
        zip([v.path for v in manager.model.trainable_variables], manager.levels(), strict=True)
    )


# Rules


def test_rule_applies_to_one_role_in_matching_layers():
    manager = QuantManager(
        layered(), [Rule("kernel", BINARY, 1.0), Rule("bias", TERNARY, 0.5, layers="second$")]
    )
    roles = {
        v.path: rule and rule.role
        for v, rule in zip(manager.model.trainable_variables, manager.rules, strict=True)
    }
    assert roles == {
        "first/kernel": "kernel",
        "first/bias": None,
        "second/kernel": "kernel",
        "second/bias": "bias",
    }
    levels = by_path(manager)
    np.testing.assert_array_equal(np.abs(levels["first/kernel"]), np.ones((6, 5)))
    assert levels["first/bias"] is not manager.model.trainable_variables[1]
    np.testing.assert_array_equal(levels["first/bias"], np.zeros(5))  # real, as it was
    np.testing.assert_array_equal(
        levels["second/bias"], np.zeros(3)
    )  # ternary zero, where binary gives +1


def test_role_is_the_whole_last_part_of_a_path():
    with pytest.raises(ValueError, match="no variable is a 'kern' in a layer"):
        QuantManager(layered(), [Rule("kern", BINARY, 1.0)])


def test_kernel_does_not_match_recurrent_kernel():
    model = keras.Sequential([keras.Input((4, 6)), keras.layers.SimpleRNN(3)])
    manager = QuantManager(model, [Rule("kernel", BINARY, 1.0)])
    assert [rule is not None for rule in manager.rules] == [True, False, False]


def test_rule_that_matches_nothing_is_refused_with_the_variables():
    with pytest.raises(
        ValueError,
        match=r"a 'kernel' in a layer that matches 'third'; the model has: first/kernel, f",
    ):
        QuantManager(layered(), [Rule("kernel", BINARY, 1.0, layers="third")])


def test_optional_rule_can_match_nothing():
    manager = QuantManager(layered(), [Rule("recurrent_kernel", BINARY, 1.0, optional=True)])
    assert manager.rules == [None] * 4


def test_two_rules_for_one_variable_are_refused():
    with pytest.raises(ValueError, match="second/kernel is matched by 2 rules"):
        QuantManager(
            layered(), [Rule("kernel", BINARY, 1.0), Rule("kernel", TERNARY, 0.5, layers="second")]
        )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize("nested", [False, True])
def test_layers_that_do_not_compute_in_float32_are_refused(policy, nested):
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, dtype=policy, name="half")])
    model = keras.Sequential([keras.Input((6,)), inner]) if nested else inner
    with pytest.raises(ConfigError, match=f"half has the dtype policy {policy}, but"):
        QuantManager(model, [Rule("kernel", BINARY, 1.0)])


def test_a_frozen_variable_that_would_stay_real_is_refused():
    model = layered()
    model.get_layer("first").trainable = False
    with pytest.raises(ConfigError, match="first/kernel matches a rule, but is not trainable"):
        QuantManager(model, [Rule("kernel", BINARY, 1.0)])
    manager = QuantManager(model, [Rule("kernel", BINARY, 1.0, layers="second")])
    assert by_path(manager).keys() == {"second/kernel", "second/bias"}


def test_discretized_model_normalizes_as_it_was_adapted():
    normalization = keras.layers.Normalization()
    normalization.adapt(3 * X + 1)
    layers = [keras.Input((6,)), normalization, keras.layers.Dense(3)]
    plain, nested = keras.Sequential(layers), keras.Input((6,))
    for model in (plain, keras.Model(nested, plain(nested))):
        manager = QuantManager(model, [Rule("kernel", BINARY, 1.0)])
        np.testing.assert_array_equal(manager.discretized()(X), manager(X))


class WithoutTraining(keras.Model):
    """A custom model whose `call` does not take `training`."""

    def __init__(self, **keys):
        super().__init__(**keys)
        self.dense = keras.layers.Dense(3)

    def call(self, x):
        return self.dense(x)


def test_model_that_cannot_be_called_is_refused():
    custom, unbuilt = WithoutTraining(), keras.Sequential([keras.layers.Dense(3)])
    custom(X)
    for model in (custom, unbuilt):
        with pytest.raises(
            ValueError,
            match=r"must be built \(call it on data\), and its `call` must take `training`",
        ):
            QuantManager(model, [Rule("kernel", BINARY, 1.0)])


# Levels


def test_net_computes_with_levels_and_keeps_latent_weights():
    model = layered()
    manager = QuantManager(model, [Rule("kernel", BINARY, 1.0)])
    before = [v.numpy() for v in model.trainable_variables]
    first, second = (np.where(before[i] >= 0, 1, -1) for i in (0, 2))
    np.testing.assert_allclose(manager(X), np.maximum(X @ first, 0) @ second, rtol=1e-5, atol=1e-5)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_clip_moves_latent_weights_to_the_bound_of_their_rule():
    manager = QuantManager(layered(), [Rule("kernel", TERNARY, 0.5), Rule("bias", TERNARY, None)])
    for variable in manager.model.trainable_variables:
        variable.assign(np.full(variable.shape, -3.0))
    manager.clip()
    bounds = [float(np.abs(v).max()) for v in manager.model.trainable_variables]
    assert bounds == [0.5, 3.0, 0.5, 3.0]


def test_stochastic_levels_are_drawn_from_the_noise_kernel_by_kernel():
    quantizer = partial(quantizers.stochastic_binary, scale=1.0)
    manager = QuantManager(layered(), [Rule("kernel", quantizer, 1.0)])
    signs = [np.where(np.asarray(v) >= 0, 1, -1) for v in manager.model.trainable_variables[::2]]
    constants = iter([0.0, 1 - 2**-24])  # always below the chance, and never
    first, _, second, _ = manager.levels(lambda shape: np.full(shape, next(constants), "float32"))
    np.testing.assert_array_equal(first, signs[0])
    np.testing.assert_array_equal(second, -signs[1])
    for level, sign in zip(manager.levels()[::2], signs, strict=True):
        np.testing.assert_array_equal(level, sign)


def test_contextual_levels_of_a_gru_depend_on_the_role():
    model = keras.Sequential([keras.Input((7, 6)), keras.layers.GRU(5), keras.layers.Dense(3)])
    contextual = [
        Rule("kernel", BINARY, 1.0),
        Rule("recurrent_kernel", partial(quantizers.binary, scale=0.125), 0.125),
        Rule("bias", BINARY, 1.0),
    ]
    manager = QuantManager(model, contextual)
    levels = {path.rpartition("/")[2]: np.abs(level) for path, level in by_path(manager).items()}
    assert {role: np.unique(level).tolist() for role, level in levels.items()} == {
        "kernel": [1.0],
        "recurrent_kernel": [0.125],
        "bias": [1.0],
    }
    x = np.random.default_rng(1).normal(size=(4, 7, 6)).astype("float32")
    assert np.abs(np.asarray(manager(x)) - model(x)).max() > 0.1
    np.testing.assert_array_equal(manager.discretized()(x), manager(x))


@pytest.mark.parametrize(
    "rule",
    [
        Rule("kernel", partial(quantizers.absmean_ternary, by="channel"), 1.0),
        Rule(
            "kernel",
            partial(quantizers.binary, scale=1.0),
            1.0,
            by="channel",
            learned=("scale",),
        ),
    ],
)
def test_scales_by_channel_of_a_transposed_convolution_are_refused(rule):
    inputs = keras.Input((3, 3, 2))
    model = keras.Model(inputs, keras.layers.Conv2DTranspose(4, 2, name="up")(inputs))
    with pytest.raises(ConfigError, match=r"up/kernel is the kernel of a transposed convolution"):
        QuantManager(model, [rule])
    QuantManager(model, [Rule("kernel", partial(quantizers.absmean_ternary, by="tensor"), 1.0)])
