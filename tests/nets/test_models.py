"""Models: initial weights that depend on the seed alone; one net with several backward passes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from brnn.errors import ConfigError
from brnn.nets import models
from brnn.nets.task import Task
from brnn.quantization.layers import QuantActivation
from brnn.training import build

TASK = Task((20, 20), 10)


def weights(options, *overrides):
    manager = build.program(options(*overrides), TASK).manager
    return {v.path: v.numpy() for v in manager.model.trainable_variables}


def test_discretized_kernels_start_by_he_and_biases_at_one(options):
    values = weights(options, "precision=binarynet")
    assert values["hidden_0/kernel"].std() == pytest.approx(np.sqrt(2 / 400), rel=0.02)
    assert values["logits/kernel"].std() == pytest.approx(np.sqrt(2 / 256), rel=0.05)
    assert set(values["hidden_0/bias"]) == {-1, 1}


def test_biases_start_at_the_scale_of_their_levels(options):
    assert set(weights(options, "precision=ternary", "precision.scale=0.125")["hidden_0/bias"]) == {
        -0.125,
        0.125,
    }


def test_real_weights_start_as_keras_starts_them(options):
    values = weights(options, "precision=full")
    limit = np.sqrt(6 / (400 + 256))  # Glorot, uniform
    assert limit * 0.99 < np.abs(values["hidden_0/kernel"]).max() <= limit
    assert not values["hidden_0/bias"].any()


def test_initializers_are_the_configured_ones(options):
    values = weights(
        options, "initializer=ternary_choice", "initializer@bias_initializer=ternary_choice"
    )
    assert set(values["hidden_0/kernel"].ravel()) == {-1, 0, 1}
    assert set(values["hidden_0/bias"]) == {-1, 0, 1}


def test_layers_start_at_different_values(options):
    values = weights(options, "topology.width=10", "topology.depth=3")
    assert (values["hidden_1/kernel"] != values["hidden_2/kernel"]).any()


def test_net_does_not_depend_on_earlier_nets(options):
    keys = options("topology.dropout=0.3", "seed=5")
    first = build.program(keys, TASK).state()
    for width in range(2, 7):  # more than are remembered
        build.program(options(f"topology.width={width}"), TASK)
    assert [v.tobytes() for v in build.program(keys, TASK).state()] == [v.tobytes() for v in first]


def test_another_estimator_is_another_program(options):
    first, second = (
        build.program(options(f"estimator={name}"), TASK) for name in ("ste", "chernoff")
    )
    assert first is not second


@pytest.mark.parametrize(("estimator", "bound"), [("ste", 1.0), ("chernoff", None)])
def test_hidden_activation_has_its_estimator_and_fan_in(options, estimator, bound):
    model = build.program(
        options(f"estimator={estimator}", "topology.width=30", "topology.depth=2"), TASK
    ).manager.model
    layers = [layer for layer in model.layers if isinstance(layer, QuantActivation)]
    assert [layer.fan_in for layer in layers] == [400, 30]
    assert {layer.estimator.func.__name__ for layer in layers} == {estimator}
    assert layers[0].estimator.keywords == ({} if bound is None else {"bound": bound})


def slope(model, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(model(x))
    return tape.gradient(y, x).numpy()


@pytest.mark.parametrize("precision", ["binarynet", "binaryconnect"])
def test_another_estimator_changes_gradients_and_no_outputs(options, precision):
    keys = options(f"precision={precision}", "estimator=ste", "topology.width=8")
    manager = build.program(keys, TASK).manager
    plain = manager.discretized().get_weights()
    trained, identity = (
        models.model_with_weights(keys, TASK, name, plain) for name in ("trained", "identity")
    )
    x = (
        np.random.default_rng(0).uniform(0.5, 1, (3, *TASK.shape)).astype("float32")
    )  # far beyond the bound of STE
    np.testing.assert_array_equal(trained(x), identity(x))
    np.testing.assert_allclose(trained(x), manager(x), rtol=1e-5)
    through = (plain[0] @ plain[2].sum(axis=1)).reshape(
        TASK.shape
    )  # of a linear net of the same weights
    np.testing.assert_allclose(slope(identity, x), np.broadcast_to(through, x.shape), atol=1e-5)
    assert np.abs(slope(trained, x)).max() < np.abs(through).max()


def test_unknown_optimizer_is_refused(options):
    with pytest.raises(
        ConfigError,
        match=r"optimizer\.name must be Bop, Bop2ndOrder or a class of keras\.optimizers, as Adam",
    ):
        build.program(options("optimizer.name=Adm"), TASK)


def test_unknown_key_of_an_optimizer_is_refused(options):
    with pytest.raises(ConfigError, match=r"optimizer=SGD does not take .*beta_1"):
        build.program(options("optimizer=sgd", "+optimizer.beta_1=0.9"), TASK)


def test_any_optimizer_of_keras_can_be_named(options):
    program = build.program(
        options("optimizer.name=Nadam", "optimizer.learning_rate=1"), TASK
    )  # whole, too
    assert isinstance(program.optimizer, keras.optimizers.Nadam)


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        ([keras.layers.Dense(2)], False),
        ([keras.layers.Conv2D(2, 2)], True),
        ([keras.layers.DepthwiseConv2D(2)], True),
        ([keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 2)])], True),
    ],
)
def test_convolutions_are_found_in_nested_models_too(layers, found):
    model = keras.Sequential([keras.Input((4, 4, 1)), *layers])
    assert models.has_convolutions(model) is found
