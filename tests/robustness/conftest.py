"""Nets that hide their gradient and nets that do not, on the embedded digits."""

import keras
import pytest

from brnn.config import groups
from brnn.data import dataset, sources
from brnn.nets.task import Task
from brnn.robustness.nets import RunNets
from brnn.training import build
from brnn.training.loop import fit, no_progress
from tests.support.evaluating import GROUPS, attack_option
from tests.support.training import constant


@pytest.fixture(scope="session")
def digits():
    x, y, x_test, y_test = sources.embedded_digits()
    train, test = (
        ((a / 255).astype("float32"), b.astype("int32"))
        for a, b in ((x, y), (x_test[::5], y_test[::5]))
    )
    return dataset.Data(train, (test[0][:0], test[1][:0]), test, 10, "embedded")


@pytest.fixture(scope="session")
def thousand():
    """All test images of the embedded digits."""
    _, _, x, labels = sources.embedded_digits()
    return (x / 255).astype("float32"), labels.astype("int32")


@pytest.fixture(scope="session")
def binarized(digits):
    """A BinaryNet of 64 units, trained with STE on the embedded digits: it hides its gradient."""
    options = {group: groups.option(group, name) for group, name in GROUPS.items()}
    options |= {
        "bias_initializer": groups.option("initializer", "binary_choice"),
        "training": {"name": "standard"},
        "progression": {"name": "none"},
        "augmentation": groups.option("", "config")["augmentation"],
        "plugins": [],
        "seed": 0,
        "compute": "float32",
    }
    options |= {"compiled": False, "epochs": 4, "batch_size": 50, "attack": attack_option("fgsm")}
    options["topology"] |= {"width": 64, "batch_normalization": False}
    options["optimizer"] |= groups.option("", "optimizer_keys")
    program = build.program(options, Task((28, 28), 10))
    for _ in fit(
        program,
        digits,
        epochs=8,
        batch_size=50,
        by_step=constant(1e-3),
        seed=0,
    ):
        pass
    weights = program.manager.discretized().get_weights()
    return RunNets(
        options, digits, weights, load=lambda run: (options, weights), on_progress=no_progress
    )


@pytest.fixture(scope="session")
def real(digits):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((28, 28))
    hidden = keras.layers.Dense(64, "tanh")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(10)(hidden))
    model.compile(
        keras.optimizers.Adam(0.003), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(*digits.train, epochs=4, batch_size=100, verbose=0)
    return model
