"""The steps of a training: those worked out by hand, and nets of any layers."""

from functools import partial

import keras
import numpy as np
import pytest
from support.training import constant

from brnn.data.dataset import Data
from brnn.errors import ConfigError
from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager, Rule
from brnn.training import losses, regimes
from brnn.training.loop import fit
from brnn.training.program import Program

BINARY = partial(quantizers.binary, scale=1.0)
STE = partial(estimators.ste, bound=1.0)
ROWS, FEATURES, CLASSES = 18, 3, 3
SEED = 4  # with others a gradient may be 0 up to rounding, which Adam blows up
X = np.random.default_rng(SEED).normal(size=(ROWS, FEATURES)).astype("float32")
Y = (np.arange(ROWS) % CLASSES).astype("int32")
STEPS, WEIGHT = 4, 300.0  # of the loss, so that gradients exceed 10


def data(x=X, y=Y, validation=0):
    return Data(
        (x, y), (x[:validation], y[:validation]), (x, y), classes=CLASSES, source="generated"
    )


def binary_net():
    inputs = keras.Input((FEATURES,))
    hidden = QuantActivation(BINARY, STE, FEATURES)(keras.layers.Dense(4, name="one")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(CLASSES, name="two")(hidden))
    rng = np.random.default_rng(SEED)
    initial = [
        rng.choice([-0.98, -0.5, -0.013, 0.013, 0.5, 0.98], v.shape)
        for v in model.trainable_variables
    ]
    for variable, value in zip(model.trainable_variables, initial, strict=True):
        variable.assign(value)
    return model


def sign(v):
    return np.where(v >= 0, 1.0, -1.0)


def gradients(w):
    """Gradients of the mean cross-entropy of the binary net at weights `w`, by hand."""
    x = X.astype("float64")
    before = x @ w[0] + w[1]
    hidden = sign(before)
    logits = hidden @ w[2] + w[3]
    softmax = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax /= softmax.sum(axis=1, keepdims=True)
    out = (softmax - np.eye(CLASSES)[Y]) / len(x)
    back = (out @ w[2].T) * ((np.abs(before) <= 1) & (before != 0))
    return [x.T @ back, back.sum(axis=0), hidden.T @ out, out.sum(axis=0)]


def adam_by_hand(latent, *, steps, rate, clip, weight):
    """Take gradients at the levels, clip them, apply them by Adam to latent weights, clip these."""
    first, second = ([np.zeros_like(v) for v in latent] for _ in range(2))
    for t in range(1, steps + 1):
        for i, gradient in enumerate(gradients([sign(v) for v in latent])):
            gradient = np.clip(weight * gradient, -clip, clip)
            first[i] = 0.9 * first[i] + 0.1 * gradient
            second[i] = 0.999 * second[i] + 0.001 * gradient**2
            step = (
                rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * first[i] / (np.sqrt(second[i]) + 1e-8)
            )
            latent[i] = np.clip(latent[i] - step, -1, 1)
    return latent


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("clip", [10.0, 1e9])
def test_steps_are_those_worked_out_by_hand(clip, compiled):
    model = binary_net()
    start = [v.numpy().astype("float64") for v in model.trainable_variables]
    expected = adam_by_hand(start, steps=STEPS, rate=0.01, clip=clip, weight=WEIGHT)
    manager = QuantManager(model, [Rule("kernel", BINARY, 1.0), Rule("bias", BINARY, 1.0)])
    optimizer = keras.optimizers.Adam(beta_1=0.9, beta_2=0.999, epsilon=1e-8, clipvalue=clip)
    loss = lambda labels, outputs: WEIGHT * losses.cross_entropy(labels, outputs)  # noqa: E731
    program = Program(manager, optimizer, loss, regimes.standard, compiled)
    list(fit(program, data(), epochs=STEPS, batch_size=ROWS, by_step=constant(0.01), seed=0))
    for variable, value in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(variable, value, rtol=1e-5, atol=1e-6)


def test_levels_clipping_and_the_bound_all_matter_in_these_steps():
    start = [v.numpy().astype("float64") for v in binary_net().trainable_variables]
    clipped, free = (
        adam_by_hand([v.copy() for v in start], steps=STEPS, rate=0.01, clip=clip, weight=WEIGHT)
        for clip in (10, 1e9)
    )
    assert max(np.abs(a - b).max() for a, b in zip(clipped, free, strict=True)) > 1e-3
    assert all((np.abs(values) == 1).any() for values in (clipped[0], clipped[2]))
    assert any((sign(old) != sign(new)).any() for old, new in zip(start, clipped, strict=True))


def test_a_regularizer_of_weights_pulls_at_latent_weights_and_one_of_outputs_at_levels():
    """Each w moves by 2 c w; the net is linear in the levels, whose sign is that of w."""
    inputs = keras.Input((FEATURES,))
    layer = keras.layers.Dense(
        2,
        use_bias=False,
        kernel_regularizer=keras.regularizers.L2(0.1),
        activity_regularizer=lambda outputs: (
            0.5 * keras.ops.sum(outputs)
        ),  # Keras divides by the rows,
    )
    model = keras.Model(inputs, layer(inputs))
    before = model.get_weights()[0]
    program = Program(
        QuantManager(model, [Rule("kernel", BINARY, None)]),
        keras.optimizers.SGD(),
        lambda labels, outputs: 0.0 * keras.ops.sum(outputs, -1),
        regimes.standard,
        compiled=True,
    )
    y = np.zeros((ROWS, 2), "float32")
    list(fit(program, data(y=y), epochs=1, batch_size=ROWS, by_step=constant(1.0), seed=0))
    pull = 0.5 * X.mean(axis=0)[:, None] + 0.2 * before
    np.testing.assert_allclose(before - model.get_weights()[0], pull, rtol=1e-4, atol=1e-6)


def test_a_layer_without_a_form_in_xla_is_named_with_the_remedy():
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.RandomRotation(0.1, name="turned")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(x)))

    def program(compiled):
        optimizer, loss = keras.optimizers.SGD(), losses.cross_entropy
        return Program(QuantManager(model, []), optimizer, loss, regimes.standard, compiled)

    images = data(np.zeros((6, 4, 4, 1), "float32"), np.arange(6) % 2)
    keys = {"epochs": 1, "batch_size": 2, "by_step": constant(0.1), "seed": 0}
    with pytest.raises(ConfigError, match=r"XLA has no form of .*turned.*: use compiled=False"):
        list(fit(program(True), images, **keys))
    assert len(list(fit(program(False), images, **keys))) == 1


def test_stacked_cells_and_cells_of_a_user_are_trained():
    keras.utils.set_random_seed(0)

    class Cell(keras.layers.Layer):
        state_size = units = 4

        def build(self, shape):
            self.kernel = self.add_weight((shape[-1], 4), name="kernel")
            self.built = True

        def call(self, x, states, training=None):
            state = keras.ops.tanh(x @ self.kernel + states[0])
            return state, [state]

    for cell in ([keras.layers.GRUCell(4), keras.layers.GRUCell(4)], Cell()):
        model = keras.Sequential(
            [keras.Input((5, FEATURES)), keras.layers.RNN(cell), keras.layers.Dense(CLASSES)]
        )
        manager = QuantManager(model, [Rule("kernel", BINARY, 1.0)])
        optimizer, loss = keras.optimizers.Adam(), losses.cross_entropy
        program = Program(manager, optimizer, loss, regimes.standard, compiled=False)
        x = np.repeat(X[:, None], 5, axis=1)
        rates = constant(0.01)
        first, *_, last = fit(program, data(x), epochs=10, batch_size=6, by_step=rates, seed=0)
        assert last["train/loss"] < first["train/loss"]


def test_graph_mode_runs_convolutions_and_xla_other_nets():
    for layer, compiled in ((keras.layers.Conv2D(2, 3), False), (keras.layers.Dense(2), True)):
        layers = [keras.Input((4, 4, 1)), layer, keras.layers.Flatten(), keras.layers.Dense(2)]
        manager = QuantManager(keras.Sequential(layers), [])
        optimizer, loss = keras.optimizers.SGD(), losses.cross_entropy
        assert Program(manager, optimizer, loss, regimes.standard, "auto").compiled is compiled
        given = Program(manager, keras.optimizers.SGD(), loss, regimes.standard, not compiled)
        assert given.compiled is not compiled
