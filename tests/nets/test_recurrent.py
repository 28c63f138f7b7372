"""Recurrent topologies: layers, inputs, outputs, carried states, and training on streams."""

from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
from support.training import constant

from brnn.config import groups
from brnn.data.dataset import Data
from brnn.errors import ConfigError, NonFiniteError
from brnn.measures.weights import layer_rows
from brnn.nets import models, recurrent
from brnn.nets.task import Task, task_of
from brnn.quantization import estimators, layers, quantizers
from brnn.quantization.manager import QuantManager, Rule
from brnn.training import build, distribution, loop, losses, regimes
from brnn.training.loop import fit
from brnn.training.program import Program
from brnn.training.replicas import ONE_DEVICE

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


# Training on streams


def data(x, y, **keys):
    return Data((x, y), (x[:0], y[:0]), (x, y), source="generated", **keys)


@pytest.mark.parametrize(
    ("rows", "size", "expected"),
    [
        (6, 2, [[0, 3], [1, 4], [2, 5]]),  # rows of a batch go on from those of the batch before
        (5, 2, [[0, 3], [1, 4], [2, 5]]),  # 5 is beyond
        (2, 4, [[0, 1]]),
        (3, 1, [[0], [1], [2]]),
    ],
)
def test_each_stream_is_a_column(rows, size, expected):
    np.testing.assert_array_equal(loop.streams(rows, size), expected)


SMALL = ("dataset=text", "topology.width=8")


def stream(n, validation=0):
    """Rows of four tokens each, in which the next token is the one before last."""
    rng = np.random.default_rng(0)
    tokens = np.tile(rng.permutation(5), 4 * n)[: 4 * n + 1].astype("int32")
    x, y = tokens[:-1].reshape(n, 4), tokens[1:].reshape(n, 4)
    return Data(
        (x, y), (x[:validation], y[:validation]), (x, y), classes=5, source="text", sequential=True
    )


def program_of(options, *overrides, of=None):
    keys = options(*SMALL, *overrides)
    return build.program(keys, task_of(of or stream(12)))


@pytest.mark.parametrize("compiled", ["true", "false"])
@pytest.mark.parametrize("topology", ["gru", "clockwork"])
def test_loss_without_learning_is_that_of_the_whole_streams(options, topology, compiled):
    program = program_of(
        options, f"topology={topology}", "precision=contextual_binary", f"compiled={compiled}"
    )
    given = stream(12)
    levels = program.manager.weights()
    (metrics,) = fit(program, given, epochs=1, batch_size=3, by_step=constant(0.0), seed=0)
    whole = models.plain_model(
        options(*SMALL, f"topology={topology}", "precision=contextual_binary"),
        task_of(given),
        levels,
    )
    x, y = (array.reshape(3, 16) for array in given.train)  # three streams of four rows each
    logits = np.asarray(whole(x))
    assert metrics["train/loss"] == pytest.approx(
        np.mean(losses.cross_entropy(y, logits)), rel=1e-5
    )
    assert metrics["train/accuracy"] == pytest.approx(np.mean(logits.argmax(-1) == y))
    assert metrics["test/loss"] == pytest.approx(metrics["train/loss"], rel=1e-5)


def test_epochs_and_evaluations_start_from_states_of_zeros(options):
    program = program_of(options, "topology=gru", "precision=full")
    once, twice = (loop.score(program, *stream(12).test, 3) for _ in range(2))
    assert once == twice
    first, second = fit(program, stream(12), epochs=2, batch_size=3, by_step=constant(0.0), seed=0)
    assert first["train/loss"] == second["train/loss"]


def test_an_epoch_in_pieces_is_the_epoch_and_calls_on_progress_with_the_share_done(
    options, monkeypatch
):
    def trained(piece):
        monkeypatch.setattr(loop, "PIECE", piece)
        calls = []
        program = program_of(options, "topology=gru", "precision=stochastic_binary")
        keys = {"epochs": 3, "batch_size": 3, "by_step": constant(0.1), "seed": 0, "start": 1}
        fitted = fit(
            program,
            stream(12),
            **keys,
            on_progress=lambda epoch, share: calls.append((epoch, share)),
        )
        losses = [metrics["train/loss"] for metrics in fitted]
        return losses, [value.tobytes() for value in program.state()], calls

    (*whole, seldom), (*in_pieces, often) = trained(1e9), trained(0.0)
    assert in_pieces == whole
    assert often == [(epoch, step / 4) for epoch in (1, 2) for step in range(4)]
    assert seldom == [(epoch, share) for epoch in (1, 2) for share in (0.0, 1 / 4)]


def test_shards_of_a_batch_carry_their_states_as_the_whole_batch(options):
    def losses_of(replicas):
        program = build.program(
            options(*SMALL, "topology=gru", "precision=full"), task_of(stream(12)), replicas
        )
        fitted = fit(program, stream(12), epochs=2, batch_size=4, by_step=constant(0.01), seed=0)
        return [metrics["train/loss"] for metrics in fitted]

    whole = losses_of(ONE_DEVICE)
    assert whole[0] != whole[1]
    np.testing.assert_allclose(losses_of(distribution.sharded(True, shards=2)), whole, rtol=1e-5)


def test_rows_that_fill_no_batch_are_scored_too(options):
    program = program_of(options, "topology=gru", "precision=full")
    x, y = stream(12).test
    manager = program.manager
    state, values = manager.initial_state(3), []
    for rows in ([0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 0]):
        logits, *state = manager([x[rows], *state])
        values.append(np.asarray(losses.cross_entropy(y[rows], logits)).mean(axis=1))
    values = np.stack(values)
    values[3, 2] = np.nan  # row 11 is not there
    assert loop.score(program, x[:11], y[:11], 3)["loss"] == pytest.approx(
        np.nanmean(values), rel=1e-5
    )


def test_no_validation_rows_give_no_score(options):
    program = program_of(options, "topology=gru")
    (metrics,) = fit(program, stream(12), epochs=1, batch_size=3, by_step=constant(0.01), seed=0)
    assert not [name for name in metrics if name.startswith("validation")]


def test_net_learns_to_predict_the_next_token(options):
    program = program_of(
        options, "topology=gru", "topology.width=16", "precision=contextual_binary", of=stream(40)
    )
    *_, metrics = fit(program, stream(40), epochs=20, batch_size=4, by_step=constant(0.02), seed=0)
    assert metrics["test/accuracy"] > 0.95


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_every_topology_trains_binary_weights_and_signs(options, topology):
    program = program_of(
        options, f"topology={topology}", "topology.width=8", "precision=binarynet", "compiled=false"
    )
    before = program.manager.weights()
    (metrics,) = fit(program, stream(12), epochs=1, batch_size=3, by_step=constant(0.05), seed=0)
    assert np.isfinite(metrics["train/loss"])
    moved = [
        (old != new).any()
        for old, new, rule in zip(
            before, program.manager.weights(), program.manager.rules, strict=False
        )
        if rule is not None and rule.role == "recurrent_kernel"
    ]
    assert moved
    assert all(moved)


def test_gradients_can_be_clipped_by_their_global_norm(options):
    program = program_of(
        options, "topology=gru", "precision=full", "optimizer=sgd", "optimizer.momentum=0.0",
        "optimizer.clipvalue=null", "optimizer.global_clipnorm=0.001",
    )  # fmt: skip
    before = program.manager.weights()
    list(fit(program, stream(12), epochs=1, batch_size=12, by_step=constant(1.0), seed=0))
    changes = [new - old for old, new in zip(before, program.manager.weights(), strict=True)]
    assert np.sqrt(sum((change**2).sum() for change in changes)) == pytest.approx(0.001, rel=1e-2)


def test_regression_has_a_loss_and_no_accuracy(options):
    x = np.random.default_rng(0).normal(size=(8, 5, 2)).astype("float32")
    given = data(x, x.sum(axis=(1, 2))[:, None], classes=1)
    program = build.program(
        options("dataset=adding", "topology=rnn", "precision=full"), task_of(given)
    )
    (metrics,) = fit(program, given, epochs=1, batch_size=4, by_step=constant(0.01), seed=0)
    assert {"train/loss", "test/loss"} <= metrics.keys()
    assert not [name for name in metrics if "accuracy" in name]


def test_waveform_is_memorized_from_constant_inputs(options):
    overrides = (
        "dataset.samples=24",
        "dataset.copies=150",
        "topology=clockwork",
        "topology.width=16",
    )
    keys = options("dataset=waveform", *overrides, "precision=full")
    given = groups.function("dataset", keys["dataset"], [])()
    program = build.program(keys, task_of(given))
    (metrics,) = fit(
        program, given, epochs=1, batch_size=keys["batch_size"], by_step=constant(0.02), seed=0
    )
    assert metrics["test/loss"] < 0.1 * np.mean(given.test[1] ** 2)


# Values that are not finite


def exploding(gain):
    """An unbounded recurrent net whose recurrent matrix is `gain` everywhere."""
    inputs = keras.Input((50, 1))
    layer = keras.layers.SimpleRNN(
        4, activation="linear", name="loop", recurrent_initializer="ones"
    )
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
    rule = Rule("recurrent_kernel", partial(quantizers.binary, scale=gain), gain)
    return Program(
        QuantManager(model, [rule]),
        keras.optimizers.SGD(),
        losses.mean_squared_error,
        regimes.standard,
        True,
    )


def test_error_names_the_recurrent_matrix_and_its_spectral_radius():
    x = np.ones((4, 50, 1), "float32")
    given = data(x, np.ones((4, 1), "float32"), classes=1)
    with pytest.raises(
        NonFiniteError, match=r"discretized loop/.*recurrent_kernel had a spectral radius of 40"
    ):
        list(fit(exploding(10.0), given, epochs=3, batch_size=4, by_step=constant(0.1), seed=0))


# Precisions by role


def test_recurrent_levels_are_exactly_the_scale_of_their_role(options):
    program = program_of(options, "topology=gru", "precision=contextual_binary")
    for path, level in zip(
        [v.path for v in program.manager.model.trainable_variables],
        program.manager.levels(),
        strict=True,
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
