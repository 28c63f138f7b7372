"""Trust: each net that only looks robust trips its check; a plain float net trips none."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.training import constant

from brnn.attacks import blackbox, parallel
from brnn.attacks.batches import perturbed
from brnn.config import groups
from brnn.data import dataset, sources
from brnn.nets import models
from brnn.nets.task import Task
from brnn.quantization import estimators
from brnn.quantization.layers import QuantActivation
from brnn.robustness import probes, trust
from brnn.robustness.nets import Net
from brnn.training import build
from brnn.training.loop import fit

PGD = groups.option("attack", "pgd") | {"source": None, "restarts": 2}
FGSM = {
    "name": "fgsm",
    "epsilon": 0.1,
    "norm": "linf",
    "iterations": 1,
    "targeted": False,
    "clip": True,
}
SQUARE = groups.option("attack", "square") | {"queries": 100}


@pytest.fixture(scope="module")
def plain():
    """A float net of 64 hidden units on the embedded digits, and 200 of its test images."""
    x, y, x_test, y_test = sources.embedded_digits()
    keras.utils.set_random_seed(0)
    inputs = keras.Input((28, 28))
    hidden = keras.layers.Dense(64, "tanh")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(10)(hidden))
    model.compile(
        keras.optimizers.Adam(0.003), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(x.astype("float32") / 255, y, epochs=6, batch_size=100, verbose=0, shuffle=True)
    rows = np.arange(0, len(y_test), 5)
    return model, x_test[rows].astype("float32") / 255, y_test[rows].astype("int32")


@pytest.fixture(scope="module")
def one_bit():
    """A net of signs, trained for a moment on the embedded digits, whose input is one bit."""
    x, y, x_test, y_test = sources.embedded_digits()
    data = dataset.Data(
        *[
            ((a / 255).astype("float32"), b.astype("int32"))
            for a, b in [(x, y)] * 2 + [(x_test, y_test)]
        ],
        10,
        "embedded",
    )
    names = ("precision", "estimator", "topology", "loss", "optimizer", "initializer")
    options = {
        group: groups.option(group, name)
        for group, name in zip(
            names, ("binarynet", "ste", "simple", "cross_entropy", "adam", "he_normal"), strict=True
        )
    }
    options |= {
        "bias_initializer": groups.option("initializer", "binary_choice"),
        "training": {"name": "standard"},
        "progression": {"name": "none"},
        "augmentation": groups.option("", "config")["augmentation"],
        "compiled": False,
        "compute": "float32",
        "plugins": [],
        "seed": 0,
    }
    options["topology"] |= {"width": 100, "binary_input": True, "batch_normalization": False}
    options["optimizer"] |= groups.option("", "optimizer_keys")
    program = build.program(options, Task((28, 28), 10))
    for _ in fit(
        program,
        data,
        epochs=10,
        batch_size=50,
        by_step=constant(1e-3),
        seed=0,
    ):
        pass
    rows = np.arange(0, len(y_test), 5)
    net = models.model_with_weights(
        options, Task((28, 28), 10), "trained", program.manager.discretized().get_weights()
    )
    return net, data.test[0][rows], data.test[1][rows]


def checked(net, x, labels, option=PGD, attacked=None, identity=None, **changes):
    """The values of the checks and the reasons, of an attack on a net."""
    option = option | {"source": None} | changes
    attacked = attacked or net
    moved = perturbed(groups.function("attack", option, []), attacked, x, labels, 0)
    broken = np.argmax(net(moved), -1) != labels
    gradient_free_only = broken & hasattr(blackbox, option["name"])
    nothing = np.zeros_like(broken)
    subject = probes.Subject(option, x, labels, moved, broken, nothing, gradient_free_only, nothing)
    return trust.check(net, attacked, identity or net, subject, 0)


def raised(reasons):
    return {reason.check for reason in reasons}


def test_a_plain_float_net_under_pgd_trips_none(plain):
    values, reasons = checked(*plain)
    assert reasons == []
    assert values["trust/trusted"] == 1
    assert values["trust/zero_gradients"] == 0
    assert values["trust/largest_epsilon"] == 0
    assert trust.verdict(reasons, values) == "trusted: yes"


def test_robust_accuracy_over_all_checks_is_at_most_that_of_the_attack(plain):
    values, _ = checked(*plain, option=FGSM)
    assert values["trust/robust_accuracy"] <= values["trust/attack"] <= values["trust/clean"]


@tf.custom_gradient
def killed(image):
    """A layer without a gradient."""
    return image, tf.zeros_like


def test_a_layer_without_gradient_trips_the_check_of_gradients(plain):
    model, x, labels = plain
    values, reasons = checked(lambda image: model(killed(image)), x, labels, identity=model)
    assert values["trust/zero_gradients"] == 1
    assert trust.Reason("zero_gradients", "1 of the images have no gradient") in reasons
    assert {"identity", "largest_epsilon"} <= raised(reasons)


def test_squares_that_break_what_gradients_do_not_are_reported(plain):
    model, x, labels = plain
    values, reasons = checked(
        lambda image: model(killed(image)), x, labels, option=SQUARE, identity=model
    )
    assert values["trust/gradient_free_only"] == pytest.approx(
        values["trust/clean"] - values["trust/attack"]
    )
    assert "gradient_free_only" in raised(reasons)
    assert checked(*plain, option=SQUARE)[0]["trust/gradient_free_only"] <= trust.TOLERANCE


def test_an_input_without_any_gradient_counts_as_zero(plain):
    model, x, labels = plain
    assert trust.zero_gradients(lambda image: model(tf.stop_gradient(image)), x, labels) == 1


def test_huge_logits_trip_the_check_of_temperature(plain):
    model, x, labels = plain
    _, reasons = checked(lambda image: 100.0 * model(image), x, labels)
    assert {"temperature", "zero_gradients"} <= raised(reasons)


def test_an_input_of_one_bit_trips_the_check_of_noise(one_bit):
    _, reasons = checked(*one_bit)
    assert "noise" in raised(reasons)


def test_saturated_hidden_units_trip_the_check_of_the_identity_estimator(one_bit):
    model, x, labels = one_bit
    narrow = keras.models.clone_model(model, clone_function=_narrow)
    narrow.set_weights(model.get_weights())
    _, reasons = checked(
        model, x, labels, option=FGSM | {"epsilon": 0.5}, attacked=narrow, identity=model
    )
    assert "zero_gradients" in raised(reasons)


def _narrow(layer):
    if isinstance(layer, QuantActivation):
        bound = 1.0 if layer.name == "binary_input" else 1e-3
        return QuantActivation(layer.quantizer, partial(estimators.ste, bound=bound), layer.fan_in)
    return layer.__class__.from_config(layer.get_config())


def test_too_few_steps_trip_the_check_of_convergence(plain):
    _, reasons = checked(*plain, restarts=1, iterations=1, step=0.05, early_stop=False)
    assert any(reason.text.startswith("40 steps break a further") for reason in reasons)


def test_probabilities_for_logits_are_reported(plain):
    model, x, labels = plain
    _, reasons = checked(lambda image: tf.nn.softmax(model(image)), x, labels)
    assert "probabilities" in raised(reasons)


def test_random_logits_are_reported(plain):
    model, x, labels = plain
    draws = tf.random.Generator.from_seed(0)
    values, reasons = checked(lambda image: model(image) + draws.uniform((10,)), x, labels)
    assert values["trust/random_logits"] > 0.01
    assert "random_logits" in raised(reasons)


@pytest.mark.parametrize(
    ("change", "clip", "share"),
    [(0.1, True, 0.0), (0.11, True, 1.0), (-0.1, True, 1.0), (-0.1, False, 0.0)],
)
def test_images_beyond_the_budget_or_the_range_of_pixels_are_counted(change, clip, share):
    x = np.full((2, 4), 0.05, "float32")
    subject = probes.Subject(
        FGSM | {"clip": clip}, x, np.int32([0, 1]), x + np.float32(change), *[None] * 4
    )
    assert trust.beyond_budget(subject) == share


def test_budget_of_unprojected_steps_grows_with_the_iterations():
    assert probes.budget(FGSM | {"iterations": 3}) == pytest.approx(0.3)
    assert probes.budget(PGD | {"iterations": 3}) == 0.1


def test_probes_at_the_same_time_break_what_they_break_one_after_the_other(plain, monkeypatch):
    model, x, labels = plain
    values = []
    for cores in (1, 2):
        monkeypatch.setattr(parallel, "core_count", lambda cores=cores: cores)
        values.append(checked(Net(model), x, labels)[0])
    assert values[0] == values[1]


def test_probes_of_a_net_in_python_run_one_after_the_other(plain, monkeypatch):
    monkeypatch.setattr(parallel, "core_count", lambda: 2)
    model, *_ = plain

    def net(x):
        logits = tf.numpy_function(lambda x: model(x).numpy(), [x], tf.float32)
        return tf.ensure_shape(logits, (None, 10))

    at_once = [probes._probe(Net(way), "linf", (28, 28)).at_once for way in (model, net)]
    assert at_once == [parallel.AT_ONCE, 1]
