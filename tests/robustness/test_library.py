"""Evaluation without a configuration: a run's numbers for a model, a manager or any function."""

import warnings
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from brnn.data import sources
from brnn.errors import ConfigError, DataError
from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager, Rule
from brnn.robustness.library import evaluate_model

binary = partial(quantizers.binary, scale=1.0)
narrow = partial(estimators.ste, bound=0.05)


@pytest.fixture(scope="module")
def digits():
    _, _, x, y = sources.embedded_digits()
    return x[::10], y[::10]


def model_of(activation):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((28, 28))
    hidden = keras.layers.Dense(64)(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Dense(10)(activation(hidden)))


@pytest.fixture(scope="module")
def hidden_gradient():
    """A net of sign activations, whose logits fit random features, with a narrow estimator."""
    x, y, _, _ = sources.embedded_digits()
    model = model_of(QuantActivation(binary, narrow, 784))
    features = keras.Model(model.input, model.layers[-2].output)(x[::4].astype("float32") / 255)
    targets = 2.0 * np.eye(10)[y[::4]] - 1
    kernel = np.linalg.lstsq(np.asarray(features), targets, rcond=None)[0]
    model.layers[-1].set_weights([kernel, np.zeros(10)])
    return model


def test_the_control_through_the_identity_estimator_shows_what_the_gradient_hides(
    hidden_gradient, digits
):
    report = evaluate_model(hidden_gradient, *digits, epsilon=0.1, iterations=10)
    metrics = report.metrics
    identity = metrics["attack_identity/robust_accuracy"]
    assert identity < metrics["attack/robust_accuracy"] - 0.1
    assert report.verdict.startswith("attack too weak: robust accuracy is at most ")
    assert metrics["attack/clean_accuracy"] > 0.5
    assert metrics["attack_noise/robust_accuracy"] > 0
    assert metrics["attack/images"] == len(digits[0])
    assert report.images.shape == digits[0].shape


def test_a_manager_is_attacked_with_its_levels(hidden_gradient, digits):
    manager = QuantManager(hidden_gradient, [Rule("kernel", binary, 1.0)])
    report = evaluate_model(manager, *digits, checks=False, iterations=3)
    x = digits[0].astype("float32") / 255
    clean = np.argmax(manager(x), -1) == digits[1]
    assert report.metrics["attack/clean_accuracy"] == pytest.approx(clean.mean())
    assert report.verdict == "not checked"
    assert "attack_identity/robust_accuracy" in report.metrics


def test_a_function_is_its_own_control(digits):
    matrix = tf.random.stateless_normal((784, 10), [0, 0])
    net = lambda x: tf.reshape(x, (-1, 784)) @ matrix  # noqa: E731
    metrics = evaluate_model(net, *digits, "bim", checks=False, iterations=3).metrics
    for name in ("robust_accuracy", "linf", "queries"):
        assert metrics[f"attack_identity/{name}"] == metrics[f"attack/{name}"]


def test_ensembles_run_and_leave_out_members_without_a_twin(hidden_gradient, digits):
    members = ["pgd iterations=3", "pgd iterations=3 source=twin early_stop=false", "noise draws=2"]
    keys = {"checks": False, "members": members}
    with pytest.warns(UserWarning, match="attack=suite leaves out pgd iterations=3 source=twin"):
        report = evaluate_model(hidden_gradient, *digits, "suite", **keys)
    assert "suite/noise-draws:2/broke_further" in report.metrics
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        twin = model_of(keras.layers.Activation("tanh"))
        report = evaluate_model(hidden_gradient, *digits, "suite", twin=twin, **keys)
        plain = evaluate_model(twin, *digits, "suite", **keys)  # its own twin
    name = "suite/pgd-iterations:3-source:twin-early_stop:false/broke_further"
    assert {name} <= set(report.metrics) & set(plain.metrics)
    adaptive = evaluate_model(
        hidden_gradient, *digits, "adaptive", checks=False, temperatures=[1.0]
    )
    assert "adaptive/identity-1/broke_further" in adaptive.metrics


def test_curves_and_exact_verdicts_need_no_configuration(digits):
    x, y = digits[0][:3], digits[1][:3]
    net = model_of(QuantActivation(binary, estimators.identity, 784))
    report = evaluate_model(net, x, y, "exact", epsilon=0.001, seconds=2.0)
    assert report.metrics["attack_exact/certified"] + report.metrics["attack_exact/broken"] > 0
    report = evaluate_model(net, x, y, "fgsm", checks=False, curve_epsilons=[0.1, 0.2])
    assert [epsilon for epsilon, _ in report.curves["epsilon"]] == [0.0, 0.1, 0.2]


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.layer = keras.layers.Dense(10)
        self.activation = QuantActivation(binary, narrow, 784)

    def call(self, x):
        return self.layer(self.activation(keras.ops.reshape(x, (-1, 784)) - 0.5))


def test_a_model_that_cannot_be_cloned_is_refused_in_words(digits):
    with pytest.raises(
        ConfigError, match=r"needs a functional or sequential model.*got Subclassed"
    ):
        evaluate_model(Subclassed(), *digits, checks=False)


def test_bad_arguments_are_refused(hidden_gradient, digits):
    x, y = digits
    with pytest.raises(ConfigError, match=r"attack\.epsilonn is not a key here"):
        evaluate_model(hidden_gradient, x, y, epsilonn=0.1)
    with pytest.raises(ConfigError, match=r"attack must be one of .*did you mean pgd"):
        evaluate_model(hidden_gradient, x, y, "pdg")
    with pytest.raises(ConfigError, match=r"attack\.estimator must be one of trained"):
        evaluate_model(hidden_gradient, x, y, estimator="identiti")
    with pytest.raises(ConfigError, match=r"attack\.source=abc needs a run"):
        evaluate_model(hidden_gradient, x, y, source="abc", early_stop=False)
    with pytest.raises(DataError, match="y must hold classes from 0 to 9, got 200"):
        evaluate_model(hidden_gradient, x, np.full(len(y), 200))
