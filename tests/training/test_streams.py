"""Training on streams: states that go on from batch to batch, pieces, shards, scores."""

from functools import partial

import keras
import numpy as np
import pytest
from support.training import constant

from brnn.config import groups
from brnn.data.dataset import Data
from brnn.errors import NonFiniteError
from brnn.nets import models
from brnn.nets.task import task_of
from brnn.quantization import quantizers
from brnn.quantization.manager import QuantManager, Rule
from brnn.training import build, distribution, loop, losses, regimes
from brnn.training.loop import fit
from brnn.training.program import Program
from brnn.training.replicas import ONE_DEVICE

TOPOLOGIES = ("rnn", "gru", "lstm", "clockwork", "mut1", "mut2", "scaled_gru")


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
FULL = ("topology=gru", "precision=full")


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


@pytest.mark.parametrize(
    ("topology", "compiled"), [("gru", "true"), ("gru", "false"), ("clockwork", "false")]
)
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
    program = program_of(options, *FULL)
    once, twice = (loop.score(program, *stream(12).test, 4) for _ in range(2))
    assert once == twice
    first, second = fit(program, stream(12), epochs=2, batch_size=4, by_step=constant(0.0), seed=0)
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
        program = build.program(options(*SMALL, *FULL), task_of(stream(12)), replicas)
        fitted = fit(program, stream(12), epochs=2, batch_size=4, by_step=constant(0.01), seed=0)
        return [metrics["train/loss"] for metrics in fitted]

    whole = losses_of(ONE_DEVICE)
    assert whole[0] != whole[1]
    np.testing.assert_allclose(losses_of(distribution.sharded(True, shards=2)), whole, rtol=1e-5)


def test_rows_that_fill_no_batch_are_scored_too(options):
    program = program_of(options, *FULL)
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
    program = program_of(options, *FULL)
    (metrics,) = fit(program, stream(12), epochs=1, batch_size=4, by_step=constant(0.01), seed=0)
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
        options, *FULL, "compiled=false", "optimizer=sgd", "optimizer.momentum=0.0",
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
        options(
            "dataset=adding", "topology=rnn", "topology.width=4", "precision=full", "compiled=false"
        ),
        task_of(given),
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
        False,
    )


def test_error_names_the_recurrent_matrix_and_its_spectral_radius():
    x = np.ones((4, 50, 1), "float32")
    given = data(x, np.ones((4, 1), "float32"), classes=1)
    with pytest.raises(
        NonFiniteError, match=r"discretized loop/.*recurrent_kernel had a spectral radius of 40"
    ):
        list(fit(exploding(10.0), given, epochs=3, batch_size=4, by_step=constant(0.1), seed=0))
