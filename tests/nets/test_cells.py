"""Cells: equations over time, gradients under XLA, carried states, saved configurations."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from support.cells import BATCH, PERIODS, STEPS, UNITS, WIDTH, X, network

from brnn.nets.cells import ClockworkCell, MUT1Cell, MUT2Cell, ScaledGRUCell

constant = keras.initializers.Constant


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def clockwork(x, h, t, v):
    """One module at a time, as in the paper's figure."""
    size = UNITS // len(PERIODS)
    new = h.copy()
    for i, period in enumerate(PERIODS):
        if t % period == 0:
            module = slice(i * size, (i + 1) * size)
            sources = slice(i * size, UNITS)  # the module and the slower ones
            total = (
                x @ v["kernel"][:, module]
                + h[:, sources] @ v["recurrent_kernel"][sources, module]
                + v["bias"][module]
            )
            new[:, module] = np.tanh(total)
    return new


def mut1(x, h, t, v):
    w_z, w_r = np.split(v["kernel"], 2, 1)
    u_r, u_h = np.split(v["recurrent_kernel"], 2, 1)
    b_z, b_r, b_h = np.split(v["bias"], 3)
    z = sigmoid(x @ w_z + b_z)
    r = sigmoid(x @ w_r + h @ u_r + b_r)
    return np.tanh(
        (r * h) @ u_h + np.tanh(x @ v.get("input_projection", np.eye(UNITS))) + b_h
    ) * z + h * (1 - z)


def mut2(x, h, t, v):
    w_z, w_h = np.split(v["kernel"], 2, 1)
    u_z, u_r, u_h = np.split(v["recurrent_kernel"], 3, 1)
    b_z, b_r, b_h = np.split(v["bias"], 3)
    z = sigmoid(x @ w_z + h @ u_z + b_z)
    r = sigmoid(x @ v.get("input_projection", np.eye(UNITS)) + h @ u_r + b_r)
    return np.tanh((r * h) @ u_h + x @ w_h + b_h) * z + h * (1 - z)


def scaled_gru(x, h, t, v):
    w_z, w_r, w_h = np.split(v["kernel"] / 2, 3, 1)  # input_shift -1
    u_z, u_r, u_h = np.split(v["recurrent_kernel"] / 8, 3, 1)  # recurrent_shift -3
    b_z, b_r, b_h = np.split(v["bias"] / 4, 3)  # bias_shift -2
    z = sigmoid(x @ w_z + h @ u_z + b_z)
    r = sigmoid(x @ w_r + h @ u_r + b_r)
    return z * h + (1 - z) * np.tanh(x @ w_h + (r * h) @ u_h + b_h)


CELLS = {
    "clockwork": (lambda **kw: ClockworkCell(UNITS, PERIODS, **kw), clockwork),
    "mut1": (lambda **kw: MUT1Cell(UNITS, **kw), mut1),
    "mut2": (lambda **kw: MUT2Cell(UNITS, **kw), mut2),
    "scaled_gru": (lambda **kw: ScaledGRUCell(UNITS, -1, -3, -2, **kw), scaled_gru),
}
every_cell = pytest.mark.parametrize(("make", "step"), CELLS.values(), ids=CELLS)


def values(model):
    return [variable.numpy() for variable in model.trainable_variables]


def constants_of(cell, width):
    """The distinct values in each variable of a cell made anew from the config of `cell`."""
    copy = type(cell).from_config(cell.get_config())
    copy.build((None, width))
    return {variable.name: np.unique(variable).tolist() for variable in copy.variables}


def unrolled(model, step, x, weights):
    """The same states by NumPy in float64."""
    named = {
        variable.name: np.float64(weight)
        for variable, weight in zip(model.trainable_variables, weights, strict=True)
    }
    h, states = np.zeros((BATCH, UNITS)), []
    for t in range(x.shape[1]):
        h = step(np.float64(x[:, t]), h, t, named)
        states.append(h)
    return np.stack(states, 1)


@every_cell
@pytest.mark.parametrize("width", [WIDTH, UNITS])
def test_twenty_steps_follow_the_equations(make, step, width):
    model = network(make(), width)
    x = np.random.default_rng(2).normal(size=(BATCH, STEPS, width)).astype("float32")
    np.testing.assert_allclose(model(x), unrolled(model, step, x, values(model)), atol=1e-5)


@pytest.mark.parametrize(
    ("cell", "shapes"),
    [
        (ClockworkCell(4, [1, 2]), {"kernel": (3, 4), "recurrent_kernel": (4, 4), "bias": (4,)}),
        (ScaledGRUCell(4, -1, -3), {"kernel": (3, 12), "recurrent_kernel": (4, 12), "bias": (12,)}),
        (
            MUT1Cell(4),
            {
                "kernel": (3, 8),
                "recurrent_kernel": (4, 8),
                "bias": (12,),
                "input_projection": (3, 4),
            },
        ),
        (
            MUT2Cell(4),
            {
                "kernel": (3, 8),
                "recurrent_kernel": (4, 12),
                "bias": (12,),
                "input_projection": (3, 4),
            },
        ),
        (
            MUT1Cell(3),
            {"kernel": (3, 6), "recurrent_kernel": (3, 6), "bias": (9,)},
        ),  # x fits as it is
    ],
)
def test_variables_are_named_after_their_role(cell, shapes):
    cell.build((None, 3))
    assert {variable.name: tuple(variable.shape) for variable in cell.variables} == shapes


def test_weights_of_a_layer_as_activation_exist_once_the_cell_is_built():
    cell = ClockworkCell(4, [1, 2], activation=keras.layers.PReLU())
    cell.build((None, 3))
    assert [tuple(variable.shape) for variable in cell.variables] == [(3, 4), (4, 4), (4,), (4,)]


@every_cell
def test_each_role_takes_its_initializer(make, step):
    cell = make(
        kernel_initializer=constant(1),
        recurrent_initializer=constant(2),
        bias_initializer=constant(3),
    )
    assert constants_of(cell, UNITS) == {"kernel": [1], "recurrent_kernel": [2], "bias": [3]}


@pytest.mark.parametrize("cell_type", [MUT1Cell, MUT2Cell])
def test_projection_takes_its_initializer(cell_type):
    cell = cell_type(UNITS, projection_initializer=constant(4))
    assert constants_of(cell, WIDTH)["input_projection"] == [4]


@every_cell
def test_discretized_values_from_outside_train_under_xla(make, step):
    model = network(make())
    rng = np.random.default_rng(3)
    binary = [
        rng.choice(np.float32([-1, 1]), variable.shape) for variable in model.trainable_variables
    ]
    direction = [rng.normal(size=variable.shape) for variable in model.trainable_variables]
    upstream = rng.normal(size=(BATCH, STEPS, UNITS))

    @tf.function(jit_compile=True)
    def states_and_gradients(weights):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            states, _ = model.stateless_call(weights, [], X, training=True)
            loss = ops.sum(states * ops.cast(upstream, "float32"))
        return states, tape.gradient(loss, weights)

    def exact_loss(shift):
        weights = [value + shift * along for value, along in zip(binary, direction, strict=True)]
        return np.sum(upstream * unrolled(model, step, X, weights))

    states, gradients = states_and_gradients([tf.constant(value) for value in binary])
    np.testing.assert_allclose(states, unrolled(model, step, X, binary), atol=1e-5)
    slope = sum(
        np.vdot(along, gradient) for along, gradient in zip(direction, gradients, strict=True)
    )
    assert slope == pytest.approx((exact_loss(1e-6) - exact_loss(-1e-6)) / 2e-6, rel=1e-3)


@every_cell
def test_gradient_reaches_every_variable(make, step):
    model = network(make())
    with tf.GradientTape() as tape:
        loss = ops.mean(model(X)[:, -1] ** 2)
    assert all(np.any(gradient) for gradient in tape.gradient(loss, model.trainable_variables))


def test_shifts_of_zero_give_the_gru_of_keras():
    ours = network(ScaledGRUCell(UNITS, 0, 0))
    keras_own = network(keras.layers.GRUCell(UNITS, reset_after=False))
    np.testing.assert_allclose(ours(X), keras_own(X), atol=1e-6)


def test_shifted_signs_are_a_gru_of_contextual_values():
    signs = [np.sign(value) for value in values(network(ScaledGRUCell(UNITS, -1, -3)))]
    shifted = network(ScaledGRUCell(UNITS, -1, -3))
    shifted.set_weights(signs)
    contextual = network(keras.layers.GRUCell(UNITS, reset_after=False))
    contextual.set_weights([signs[0] / 2, signs[1] / 8, signs[2]])  # the bias is not shifted
    np.testing.assert_allclose(shifted(X), contextual(X), atol=1e-6)


@every_cell
def test_state_carries_over_between_calls(make, step):
    whole = network(make())(X)
    model = network(make(), stateful=True)
    halves = np.concatenate([model(X[:, :10]), model(X[:, 10:])], axis=1)
    np.testing.assert_allclose(halves, whole, atol=1e-6)
    model.layers[-1].reset_state()
    np.testing.assert_allclose(model(X), whole, atol=1e-6)


@every_cell
@pytest.mark.filterwarnings("error::UserWarning")
def test_saved_model_predicts_the_same(make, step, tmp_path):
    model = network(make(activation=keras.layers.PReLU()))  # an activation with weights
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(X), model(X))


def test_config_keeps_the_activation_of_the_gates():
    config = MUT1Cell(UNITS, recurrent_activation="hard_sigmoid").get_config()
    assert MUT1Cell.from_config(config).recurrent_activation is keras.activations.hard_sigmoid


@pytest.mark.parametrize(
    "cell",
    [
        MUT1Cell(UNITS, recurrent_activation=ops.zeros_like),  # z = 0 keeps the state
        MUT2Cell(UNITS, recurrent_activation=ops.zeros_like),
        ScaledGRUCell(UNITS, -1, -3, recurrent_activation=ops.ones_like),  # z = 1 keeps the state
    ],
)
def test_closed_update_gate_keeps_the_state(cell):
    assert not np.any(network(cell)(X))


def test_hidden_state_takes_a_function_as_activation():
    states = network(ClockworkCell(UNITS, PERIODS, activation=ops.sign))(X)
    assert np.unique(states).tolist() == [-1, 1]


def test_cell_without_units_is_refused():
    with pytest.raises(ValueError, match="units must be a whole number, 1 or more, got 0"):
        MUT1Cell(0)
