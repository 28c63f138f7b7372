"""The discretized model: trained, saved and loaded, with levels, and independent."""

from functools import partial

import keras
import numpy as np
import pytest
from support.small_nets import layered
from support.training import constant

from brnn.data.dataset import Data
from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager, Rule
from brnn.training import losses, regimes
from brnn.training.loop import fit
from brnn.training.program import Program

BINARY = partial(quantizers.binary, scale=1.0)
X = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")


def tiny_images():
    """Bright left halves against bright right halves, with noise."""
    rng = np.random.default_rng(0)
    y = np.arange(240, dtype="int32") % 2
    x = rng.uniform(0, 0.3, (240, 8, 8, 1)).astype("float32")
    x[y == 0, :, :4] += 0.5
    x[y == 1, :, 4:] += 0.5
    return Data(
        (x[:160], y[:160]),
        (x[160:200], y[160:200]),
        (x[200:], y[200:]),
        classes=2,
        source="generated",
    )


class Custom(keras.Model):
    """A model of a class of its own."""

    def __init__(self, **keys):
        super().__init__(**keys)
        self.dense = keras.layers.Dense(3)

    def call(self, x, training=None):
        return self.dense(x)


def test_custom_convolutional_sequential_model_trains():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    manager = QuantManager(model, [Rule("kernel", BINARY, 1.0)])
    program = Program(
        manager, keras.optimizers.Adam(), losses.cross_entropy, regimes.standard, compiled=True
    )
    data = tiny_images()
    before = [v.numpy() for v in model.trainable_variables]
    *_, last = fit(program, data, epochs=8, batch_size=16, by_step=constant(0.01), seed=0)
    assert last["test/accuracy"] > 0.95
    kernels = [v for v in model.trainable_variables if v.path.endswith("kernel")]
    assert all(np.abs(v).max() <= 1 for v in kernels)
    assert all(
        (np.asarray(v) != old).any()
        for v, old in zip(model.trainable_variables, before, strict=True)
    )
    plain = manager.discretized()
    assert isinstance(plain, keras.Model)
    np.testing.assert_array_equal(np.unique(plain.get_weights()[0]), [-1, 1])
    np.testing.assert_array_equal(plain(data.test[0]), manager(data.test[0]))
    assert np.mean(np.argmax(plain(data.test[0]), -1) == data.test[1]) == pytest.approx(
        last["test/accuracy"]
    )


def test_discretized_model_has_the_statistics_of_batch_normalization():
    model = layered(normalized=True)
    manager = QuantManager(model, [Rule("kernel", BINARY, 1.0)])
    program = Program(
        manager, keras.optimizers.SGD(), losses.cross_entropy, regimes.standard, compiled=False
    )
    y = (X[:, 0] > 0).astype("int32")
    data = Data((X, y), (X[:0], y[:0]), (X, y), classes=3, source="generated")
    *_, metrics = fit(program, data, epochs=1, batch_size=32, by_step=constant(0.0), seed=0)
    hidden = X @ np.sign(model.get_layer("first").kernel)
    moving = model.get_layer("normalization").moving_mean
    np.testing.assert_allclose(
        moving, 0.01 * hidden.mean(axis=0), rtol=1e-4, atol=1e-6
    )  # momentum 0.99, one step
    plain = manager.discretized()
    np.testing.assert_array_equal(plain(X), manager(X))
    assert metrics["test/accuracy"] == pytest.approx(np.mean(np.argmax(plain(X), -1) == y))


@pytest.mark.parametrize("shape", ["functional", "sequential", "nested"])
def test_discretized_model_needs_nothing_of_this_package(shape, tmp_path):
    quantized = QuantActivation(BINARY, estimators.identity, 6)
    layers = [keras.Input((6,)), keras.layers.Dense(5), quantized, keras.layers.Dense(3)]
    model = keras.Sequential(layers)
    if shape == "functional":
        model = keras.Model(model.inputs[0], model.outputs[0])
    if shape == "nested":
        inputs = keras.Input((6,))
        model = keras.Model(
            inputs, keras.layers.Dense(2)(keras.Model(model.inputs[0], model.outputs[0])(inputs))
        )
    manager = QuantManager(model, [Rule("kernel", BINARY, 1.0), Rule("bias", BINARY, 1.0)])
    manager.discretized().save(tmp_path / "plain.keras")
    loaded = keras.models.load_model(tmp_path / "plain.keras")
    assert not any(isinstance(layer, QuantActivation) for layer in loaded._flatten_layers())
    np.testing.assert_array_equal(loaded(X), manager(X))


def test_discretized_subclass_keeps_its_class():
    model = Custom()
    model(X)
    manager = QuantManager(model, [Rule("kernel", BINARY, 1.0)])
    plain = manager.discretized()
    assert isinstance(plain, Custom)
    np.testing.assert_array_equal(plain(X), manager(X))
    assert set(np.unique(plain.dense.kernel)) == {-1, 1}


def test_shared_layers_and_several_outputs_are_kept():
    inputs, shared = keras.Input((6,)), keras.layers.Dense(6)
    model = keras.Model(inputs, [shared(inputs), shared(shared(inputs))])
    manager = QuantManager(model, [Rule("kernel", BINARY, 1.0)])
    plain = manager.discretized()
    assert len(plain.weights) == 2
    for output, expected in zip(plain(X), manager(X), strict=True):
        np.testing.assert_array_equal(output, expected)


def test_discretized_model_is_independent():
    manager = QuantManager(layered(), [Rule("kernel", BINARY, 1.0)])
    plain = manager.discretized()
    before = np.array(plain(X))
    for variable in manager.model.variables:
        variable.assign(-variable)
    np.testing.assert_array_equal(plain(X), before)
