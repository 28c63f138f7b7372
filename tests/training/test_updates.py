"""What a step does beside the optimizer: decay by kind of variable, averages, centralization."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.training import constant

from brnn.data.dataset import Data
from brnn.nets.task import Task
from brnn.quantization import quantizers
from brnn.quantization.manager import QuantManager, Rule
from brnn.training import build, regimes
from brnn.training.loop import fit
from brnn.training.program import Program
from brnn.training.updates import Updates, centralized, kernel_shapes

ROWS = (np.ones((6, 1), "float32"), np.zeros(6, "float32"))
DATA = Data(ROWS, ROWS, ROWS, classes=1, source="generated")


def test_a_centralized_gradient_has_the_mean_0_in_each_channel():
    kernel = np.float32([[1, 5], [3, -1]])
    np.testing.assert_array_equal(centralized(kernel, (2, 2)), [[-1, 3], [1, -3]])
    convolution = np.arange(8, dtype="float32").reshape(2, 1, 2, 2)
    expected = np.repeat([-3, -1, 1, 3], 2).reshape(2, 1, 2, 2)
    np.testing.assert_array_equal(centralized(convolution, (2, 1, 2, 2)), expected)
    depthwise = np.float32([1, 5, 3, -1]).reshape(2, 1, 2, 1)  # two channels, of two weights each
    expected = np.float32([-1, 3, 1, -3]).reshape(2, 1, 2, 1)
    np.testing.assert_array_equal(centralized(depthwise, (2, 1, 1, 2)), expected)


def test_gradients_of_kernels_alone_are_centralized():
    inputs = keras.Input((4, 4, 2))
    x = keras.layers.DepthwiseConv2D(2, depth_multiplier=3)(inputs)
    x = keras.layers.PReLU(shared_axes=[1, 2])(keras.layers.BatchNormalization()(x))
    x = keras.layers.DepthwiseConv2D(1)(x)  # one weight for each output
    x = keras.layers.SeparableConv2D(4, 2)(x)
    x = keras.layers.Conv2DTranspose(6, 2)(x)
    x = keras.layers.EinsumDense("abcd,de->abce", (3, 3, 6))(x)
    x = keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.Conv2D(5, 2)(x)))
    binary = partial(quantizers.trained_ternary, positive=1.0, negative=1.0, threshold=0.1)
    rule = Rule("kernel", binary, 1.0, "dense", learned=("positive", "negative"))
    manager = QuantManager(keras.Model(inputs, x), [rule])
    shapes = kernel_shapes(manager)
    assert [shape for shape in shapes if shape] == [
        (2, 2, 1, 6), (2, 2, 1, 6), (1, 1, 6, 4), (2, 2, 6, 5), (20, 2)
    ]  # fmt: skip
    gradients = [tf.ones(variable.shape) for variable in manager.trained]
    changed = Updates(kernels=shapes).before([*gradients[:-1], None])
    sums = [float(tf.reduce_sum(g)) for g, shape in zip(changed[:-1], shapes, strict=False)]
    assert all(
        (total == 0) == (shape is not None) for total, shape in zip(sums, shapes, strict=False)
    )
    assert changed[-1] is None


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_evaluation_takes_the_levels_of_averaged_latent_weights(compiled):
    """Each step of rate 0.25 subtracts 0.25 from the latent weight 0.3 and from the bias 0."""
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.set_weights([np.float32([[0.3]]), np.float32([0])])
    binary = partial(quantizers.binary, scale=1.0)
    manager = QuantManager(model, [Rule("kernel", binary, 1.0)])
    loss = lambda labels, outputs: outputs[:, 0]  # noqa: E731
    program = Program(
        *(manager, keras.optimizers.SGD(), loss, regimes.standard, compiled),
        updates=Updates(averaging=0.5),
    )
    latent, bias = 0.3, 0.0
    averages = [latent, bias]
    keys = {"batch_size": 2, "by_step": constant(0.25), "seed": 0}
    for epoch in range(2):
        (metrics,) = fit(program, DATA, epochs=epoch + 1, start=epoch, **keys)
        for _ in range(3):
            latent, bias = latent - 0.25, bias - 0.25
            averages = [(a + b) / 2 for a, b in zip(averages, (max(latent, -1), bias), strict=True)]
        np.testing.assert_allclose([float(np.squeeze(a)) for a in manager.averages], averages, 1e-5)
        level = 1.0 if averages[0] >= 0 else -1.0
        assert metrics["test/loss"] == pytest.approx(level + averages[1])
        assert [float(np.squeeze(v)) for v in manager.weights()] == pytest.approx(
            [level, averages[1]]
        )


def after_decay(options, decayed):
    """Latent and real weights after an epoch without gradients, as shares of those before it."""
    keys = options(
        *("topology.width=4", "topology.real_last=true", "optimizer=sgd", "schedule=constant"),
        *("optimizer.learning_rate=0.5", "optimizer.weight_decay=0.5"),
        *(f"optimizer.decayed={decayed}", "batch_size=6"),
    )
    program = build.program(keys, Task((3,), 2))
    program = Program(
        program.manager,
        program.optimizer,
        lambda labels, outputs: 0.0 * outputs[:, 0],
        regimes.standard,
        False,
    )
    before = {v.path: v.numpy() for v in program.manager.model.trainable_variables}
    data = Data(*[(np.ones((6, 3), "float32"), np.zeros(6, "int32"))] * 3, classes=2, source="made")
    list(fit(program, data, epochs=1, batch_size=6, by_step=constant(0.5), seed=0))
    after = {v.path: v.numpy() for v in program.manager.model.trainable_variables}
    kernels = ("hidden_0/kernel", "real_logits/kernel")
    return [float(np.median(after[path] / before[path])) for path in kernels]


@pytest.mark.parametrize(
    ("decayed", "expected"),
    [("all", [0.75, 0.75]), ("latent", [0.75, 1]), ("real", [1, 0.75])],
)
def test_weight_decay_shrinks_the_chosen_kind_of_variables(options, decayed, expected):
    assert after_decay(options, decayed) == pytest.approx(expected)


def test_the_averages_are_part_of_the_state_and_begin_at_the_initial_weights(options):
    keys = options("optimizer.averaging=0.9", "topology.width=4")
    program = build.program(keys, Task((3,), 2))
    for average, variable in zip(program.manager.averages, program.manager.trained, strict=True):
        np.testing.assert_array_equal(average, variable)
    assert len(program.manager.averages) == len(program.manager.trained) == 4
    kept = program.state()
    program.manager.averages[0].assign(np.ones((3, 4)))
    program.restore(kept)
    np.testing.assert_array_equal(program.manager.averages[0], program.manager.trained[0])
