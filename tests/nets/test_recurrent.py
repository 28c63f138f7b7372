"""Recurrent topologies: layers, inputs, outputs, carried states, levels by role."""

from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest

from brnn.errors import ConfigError
from brnn.measures.weights import layer_rows
from brnn.nets import recurrent
from brnn.nets.task import Task
from brnn.quantization import estimators, layers, quantizers
from brnn.training import build

KEYS = {"width": 8, "depth": 2, "activation": "tanh", "quantized_state": True, "real_last": False}
SHIFTS = {"input_shift": None, "recurrent_shift": None, "bias_shift": -3, "output_shift": None}
TOPOLOGIES = {
    name: partial(getattr(recurrent, name), **KEYS, **extra)
    for name, extra in {
        "rnn": {},
        "gru": {},
        "lstm": {},
        "clockwork": {"periods": [1, 2]},
        "mut1": {},
        "mut2": {},
        "scaled_gru": SHIFTS,
    }.items()
}
STREAM = Task((6,), 5, tokens=True, per_step=True, carried=True)
TOKENS = np.random.default_rng(0).integers(0, 5, (3, 12)).astype("int32")
SIGN = partial(quantizers.binary, scale=1.0)

every_topology = pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)


def real(name, fan_in):
    return keras.layers.Activation(name)


def signs(name, fan_in):
    return layers.QuantActivation(SIGN, partial(estimators.ste, bound=1.0), fan_in)


def plain_signs(name, fan_in):
    return lambda x: SIGN(x, None)


def state_of(model, batch):
    return [keras.ops.zeros((batch, *state.shape[1:])) for state in model.inputs[1:]]


# The model


@every_topology
def test_carried_state_makes_pieces_equal_to_the_whole_sequence(topology):
    carrying, whole = topology(STREAM, real), topology(replace(STREAM, carried=False), real)
    whole.set_weights(carrying.get_weights())
    state, pieces = state_of(carrying, 3), []
    for start in (0, 5, 7):  # pieces of unequal lengths
        stop = {0: 5, 5: 7, 7: 12}[start]
        logits, *state = carrying([keras.ops.convert_to_tensor(TOKENS[:, start:stop]), *state])
        pieces.append(logits)
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole(TOKENS), atol=1e-5)


@every_topology
def test_output_depends_on_earlier_steps(topology):
    net = topology(Task((6,), 5, tokens=True), real)
    other = TOKENS.copy()
    other[:, 9] = (other[:, 9] + 1) % 5  # three steps before the end
    assert (np.abs(np.asarray(net(other)) - net(TOKENS)).max(axis=1) > 1e-6).all()


@every_topology
def test_weights_are_named_after_layer_and_role(topology):
    paths = [v.path for v in topology(STREAM, real).trainable_variables]
    for path in (
        "recurrent_0/cell/kernel",
        "recurrent_1/cell/recurrent_kernel",
        "recurrent_1/cell/bias",
    ):
        assert path in paths
    assert paths[-2:] == ["logits/kernel", "logits/bias"]


@pytest.mark.parametrize(
    ("task", "inputs", "outputs"),
    [
        (Task((6,), 5, tokens=True, per_step=True), (None, None), (None, None, 5)),
        (Task((6,), 5, tokens=True), (None, None), (None, 5)),
        (Task((6, 3), 1), (None, None, 3), (None, 1)),
        (Task((6, 3), 2, per_step=True), (None, None, 3), (None, None, 2)),
    ],
)
def test_task_decides_inputs_and_outputs(task, inputs, outputs):
    net = TOPOLOGIES["gru"](task, real)
    assert (net.inputs[0].dtype, net.input_shape, net.output_shape) == (
        "int32" if task.tokens else "float32",
        inputs,
        outputs,
    )
    assert TOPOLOGIES["lstm"](replace(task, carried=True), real).outputs[0].shape == outputs


@pytest.mark.parametrize(
    "task", [Task((784,), 10), Task((8, 8, 3), 10), Task((4, 2), 10, tokens=True)]
)
def test_inputs_that_are_not_sequences_are_refused(task):
    message = r"reads tokens, or inputs of shape \(steps, features\), got \("
    with pytest.raises(ConfigError, match=message):
        TOPOLOGIES["gru"](task, real)


def test_simple_topologies_use_cells_of_keras():
    cells = [
        TOPOLOGIES[name](STREAM, real).get_layer("recurrent_0").cell
        for name in ("rnn", "gru", "lstm")
    ]
    assert [type(cell) for cell in cells] == [
        keras.layers.SimpleRNNCell,
        keras.layers.GRUCell,
        keras.layers.LSTMCell,
    ]


def test_width_must_be_a_multiple_of_the_number_of_periods():
    with pytest.raises(
        ValueError,
        match=r"topology\.width must be a multiple of 3, the number of topology\.periods, got 8",
    ):
        TOPOLOGIES["clockwork"](STREAM, real, periods=[1, 2, 4])


def test_name_of_a_real_last_layer_starts_with_real():
    assert (
        partial(recurrent.gru, **KEYS | {"real_last": True})(STREAM, real).layers[-1].name
        == "real_logits"
    )


def shifts_of(task, **keys):
    net = recurrent.scaled_gru(task, real, **KEYS | {"width": 64} | SHIFTS | keys)
    cells = [net.get_layer(f"recurrent_{number}").cell for number in (0, 1)]
    return [
        (cell.input_shift, cell.recurrent_shift, cell.bias_shift) for cell in cells
    ], net.layers[-1].scale


def test_shifts_follow_the_number_of_products():
    # of a one-hot input a single product is not 0; sums of 64 have a size of 8
    assert shifts_of(STREAM) == ([(0, -4, -3), (-3, -4, -3)], 1 / 8)
    assert shifts_of(Task((6, 16), 5)) == ([(-2, -4, -3), (-3, -4, -3)], 1 / 8)


def test_shifts_can_be_set_as_in_the_paper():
    keys = {"input_shift": -1, "recurrent_shift": -3, "bias_shift": 0, "output_shift": -2}
    assert shifts_of(STREAM, **keys) == ([(-1, -3, 0), (-1, -3, 0)], 1 / 4)


def test_binary_weights_neither_saturate_the_scaled_gates_nor_the_logits():
    wide = partial(recurrent.scaled_gru, **KEYS | {"width": 256} | SHIFTS)
    net = wide(Task((40,), 30, tokens=True, per_step=True), real)
    rng = np.random.default_rng(0)
    net.set_weights([rng.choice(np.float32([-1, 1]), weight.shape) for weight in net.get_weights()])
    logits = np.asarray(net(rng.integers(0, 30, (8, 40)).astype("int32")))
    assert 0.1 < logits.std() < 2


# The hidden state


@pytest.mark.parametrize("name", ["rnn", "clockwork"])
def test_quantized_activation_makes_the_state_binary(name):
    carrying = TOPOLOGIES[name](STREAM, signs)
    _, *state = carrying([keras.ops.convert_to_tensor(TOKENS), *state_of(carrying, 3)])
    assert set(np.unique(state[0])) == {-1, 1}


@every_topology
def test_fan_in_is_inputs_plus_width(topology):
    calls = []
    topology(STREAM, lambda name, fan_in: calls.append((name, fan_in)) or real(name, fan_in))
    assert calls == [("tanh", 5 + 8), ("tanh", 8 + 8)]


@every_topology
def test_state_can_stay_real_where_activations_are_quantized(topology):
    net = topology(STREAM, signs, quantized_state=False)
    kinds = {type(net.get_layer("recurrent_0").cell.activation)}
    assert layers.QuantActivation not in kinds


@every_topology
@pytest.mark.parametrize("activate", [real, plain_signs])
def test_plain_net_can_be_saved_and_loaded(topology, activate, tmp_path):
    net = topology(Task((6,), 5, tokens=True), activate)
    net.save(tmp_path / "net.keras")
    np.testing.assert_array_equal(
        keras.models.load_model(tmp_path / "net.keras")(TOKENS), net(TOKENS)
    )


def test_nets_of_keras_cells_load_without_this_package():
    for name in ("rnn", "gru", "lstm"):
        assert '"brnn' not in TOPOLOGIES[name](STREAM, plain_signs).to_json()


# Precisions by role


def test_recurrent_levels_are_exactly_the_scale_of_their_role(options):
    keys = options(
        "dataset=text", "topology=gru", "topology.width=8", "precision=contextual_binary"
    )
    manager = build.program(keys, STREAM).manager
    for path, level in zip(
        [v.path for v in manager.model.trainable_variables], manager.levels(), strict=True
    ):
        scale = 0.125 if path.endswith(("recurrent_kernel", "bias")) else 0.5
        assert set(np.abs(np.unique(level))) == {scale}


def test_hidden_roles_need_a_recurrent_kernel(options):
    keys = options("precision=contextual_binary", "precision.roles=hidden")
    with pytest.raises(ValueError, match=r"no variable is a 'recurrent_kernel'.*hidden_0/kernel"):
        build.program(keys, Task((4,), 3))


def test_contextual_precisions_apply_to_feed_forward_nets(options):
    manager = build.program(options("precision=contextual_ternary"), Task((4,), 3)).manager
    assert [rule.bound for rule in manager.rules] == [0.5, 0.125, 0.5, 0.125]
    assert {"real"}.isdisjoint(row["quantizer"] for row in layer_rows(manager))


@pytest.mark.parametrize("dataset", ["text", "copying", "waveform"])
def test_an_output_for_each_step_needs_a_recurrent_net(options, dataset):
    with pytest.raises(
        ConfigError,
        match=rf"topology must be one of clockwork, gru, .* for dataset={dataset}, got",
    ):
        options(f"dataset={dataset}")
