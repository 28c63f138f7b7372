"""Nets of a user: the layers of the file, with the activations of the precision."""

import keras
import numpy as np
import pytest

from brnn.config.model_file import with_architecture
from brnn.errors import ConfigError
from brnn.nets import models
from brnn.nets.task import Task
from brnn.quantization.layers import QuantActivation
from brnn.training import build

TASK = Task((8, 8, 3), 4)


def convolutional():
    """Every kind of activation, a depthwise convolution, and a shortcut."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(inputs)
    y = keras.layers.DepthwiseConv2D(3, padding="same", name="depth")(x)
    y = keras.layers.BatchNormalization(name="norm")(y)
    y = keras.layers.Activation("tanh", name="bend")(y)
    x = keras.layers.Add(name="sum")([x, y])
    x = keras.layers.ReLU(name="rise")(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(5, name="hidden")(x)
    x = keras.layers.LeakyReLU(name="leak")(x)
    x = keras.layers.Dense(4, activation="softmax", name="last")(x)
    return keras.Model(inputs, x)


@pytest.fixture
def keys(composed, tmp_path):
    """A function from a model and overrides to a configuration with its file."""

    def configured(model, *words):
        model.save(tmp_path / "net.keras")
        words = ("topology=keras", f"topology.path={tmp_path}/net.keras", *words)
        return with_architecture(composed("dataset=arrays", *words))

    return configured


def test_a_net_in_full_precision_computes_the_logits_of_the_model(keys):
    model = convolutional()
    net = models.untrained_model(keys(model, "precision=full"), TASK, "trained")
    net.set_weights(model.get_weights())
    x = np.random.default_rng(0).random((5, 8, 8, 3)).astype("float32")
    logits = np.asarray(net(x))
    np.testing.assert_allclose(keras.ops.softmax(logits), model(x), rtol=1e-5)
    assert not np.allclose(logits.sum(axis=1), 1)  # no probabilities


def test_operations_between_the_layers_stay(keys):
    inputs = keras.Input((8, 8, 3))
    x = keras.ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1.0)
    x = keras.layers.Conv2D(2, 3, activation="tanh")(x)
    model = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Flatten()(x)))
    net = models.untrained_model(keys(model, "precision=full"), TASK, "trained")
    net.set_weights(model.get_weights())
    x = np.random.default_rng(0).random((5, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(net(x), model(x), rtol=1e-5)


def test_activations_are_quantized_with_the_fan_in_of_the_sums_before(keys):
    net = models.untrained_model(keys(convolutional(), "precision=binarynet"), TASK, "trained")
    quantized = [layer for layer in net.layers if isinstance(layer, QuantActivation)]
    # of the first convolution 3 * 9; of the depthwise one 9; of their sum the larger
    assert sorted(layer.fan_in for layer in quantized) == [9, 27, 27]
    names = [layer.name for layer in net.layers]
    assert {"first", "depth", "norm", "sum", "flat", "hidden", "leak", "last"} <= {*names}
    assert not {"bend", "rise"} & {*names}


@pytest.mark.parametrize(
    ("shape", "model"),
    [
        ((4, 4), [keras.Input((16,)), keras.layers.Dense(4, activation="tanh")]),
        ((4, 4), [keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 2), keras.layers.Flatten()]),
        ((4, 4), [keras.Input((4, 4)), keras.layers.Flatten()]),
    ],
)
def test_a_sequential_model_reads_images_as_it_wants_them(keys, shape, model):
    made = keras.Sequential([*model, keras.layers.Dense(3)])
    for pairs in ((), ((2.0, -1.0),)):
        task = Task(shape, 3, normalization=pairs)
        net = models.untrained_model(keys(made, "precision=full"), task, "trained")
        net.set_weights(made.get_weights())
        x = np.random.default_rng(0).random((2, *shape)).astype("float32")
        read = (2 * x - 1 if pairs else x).reshape((2, *made.input_shape[1:]))
        np.testing.assert_allclose(net(x), made(read), rtol=1e-5, atol=1e-6)


def test_named_layers_stay_real_and_all_others_are_discretized(keys):
    given = keys(convolutional(), "precision=binarynet", "topology.real=[first,last]")
    manager = build.program(given, TASK).manager
    ruled = {
        v.path.split("/")[0]: rule is not None
        for v, rule in zip(manager.model.trainable_variables, manager.rules, strict=True)
    }
    assert ruled == {
        "real_first": False, "depth": True, "norm": False, "hidden": True, "real_last": False,
    }  # fmt: skip
    kernel = manager.discretized().get_layer("hidden").kernel
    assert np.unique(kernel).tolist() == [-1, 1]


def test_the_logged_model_computes_what_the_trained_net_computes(keys):
    given = keys(convolutional(), "precision=binarynet")
    manager = build.program(given, TASK).manager
    plain = models.plain_model(given, TASK, manager.weights())
    x = np.random.default_rng(0).random((3, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(plain(x), manager(x), rtol=1e-5, atol=1e-5)
    assert not any(isinstance(layer, QuantActivation) for layer in plain.layers)


def test_a_separable_convolution_may_stay_real(keys):
    given = keys(SEPARABLE(), "precision=binarynet", "topology.real=[split]")
    manager = build.program(given, TASK).manager
    pairs = zip(manager.trained, manager.rules, strict=True)
    real = {variable.path.partition("/")[0] for variable, rule in pairs if not rule}
    assert "real_split" in real


def nested():
    inner = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()], name="inner")
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, keras.layers.Dense(4)(inner(inputs)))


def two_outputs():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, [keras.layers.Dense(4)(x), keras.layers.Dense(2)(x)])


def with_layer(layer):
    return lambda: keras.Sequential(
        [keras.Input((8, 8, 3)), layer, keras.layers.Flatten(), keras.layers.Dense(4)]
    )


SEPARABLE = with_layer(keras.layers.SeparableConv2D(4, 3, name="split"))
TRANSPOSED = with_layer(keras.layers.Conv2DTranspose(4, 3, name="turned"))


@pytest.mark.parametrize(
    ("model", "task", "words", "message"),
    [
        (two_outputs, TASK, [], "one input and one output, got 1 and 2"),
        (SEPARABLE, TASK, [], "the SeparableConv2D split cannot be discretized; name it in"),
        (TRANSPOSED, TASK, [], "the Conv2DTranspose turned cannot be discretized; name it in"),
        (convolutional, Task((8, 8), 4), [], r"reads inputs of \(8, 8, 3\), .* have \(8, 8\)$"),
        (convolutional, Task((8, 8, 3), 5), [], r"outputs of \(4,\), and the data have 5 classes"),
        (convolutional, TASK, ["topology.real=[frist]"], r"topology\.real must name .* got frist"),
        (nested, TASK, [], "must be a net of layers alone, but its inner is a model"),
    ],
)
def test_a_net_that_does_not_serve_is_refused_in_one_line(keys, model, task, words, message):
    with pytest.raises(ConfigError, match=message) as refused:
        models.untrained_model(keys(model(), "precision=full", *words), task, "trained")
    assert "\n" not in str(refused.value)
