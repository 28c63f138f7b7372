"""Training: the order of the rows, equal bits for a seed, one trace, scores, values not finite."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.training import constant

from brnn.data.dataset import Data
from brnn.errors import ConfigError, DataError, NonFiniteError
from brnn.nets.task import Task
from brnn.quantization.manager import QuantManager
from brnn.training import build, loop, losses, regimes
from brnn.training.loop import fit
from brnn.training.program import Program

ROWS, FEATURES, CLASSES = 18, 3, 3
SEED = 4  # with others a gradient may be 0 up to rounding, which Adam blows up
X = np.random.default_rng(SEED).normal(size=(ROWS, FEATURES)).astype("float32")
Y = (np.arange(ROWS) % CLASSES).astype("int32")
SMALL = ("topology.width=6",)


def data(x=X, y=Y, validation=0):
    return Data(
        (x, y), (x[:validation], y[:validation]), (x, y), classes=CLASSES, source="generated"
    )


def visited(order_seed, epoch, batch=3, rows=10):
    """How often an epoch visits each of ten rows: a visit subtracts 1 from the row's weight."""
    inputs = keras.Input((rows,))
    model = keras.Model(
        inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs)
    )
    program = Program(
        QuantManager(model, []),
        keras.optimizers.SGD(),
        lambda labels, outputs: batch * outputs[:, 0],
        regimes.standard,
        compiled=False,
    )
    unit_rows = data(np.eye(rows, dtype="float32"), np.zeros(rows, "float32"))
    list(
        fit(
            program,
            unit_rows,
            epochs=epoch + 1,
            batch_size=batch,
            by_step=constant(1.0),
            seed=order_seed,
            start=epoch,
        )
    )
    return -model.get_weights()[0][:, 0]


def test_an_epoch_visits_every_row_once_except_a_remainder_that_fills_no_batch():
    counts = [visited(0, epoch) for epoch in range(4)]
    assert all(sorted(count) == [0] + 9 * [1] for count in counts)
    assert len({int(np.argmin(count)) for count in counts}) > 1  # the rows that are left out differ
    np.testing.assert_array_equal(visited(0, 0, batch=5), np.ones(10))


def test_the_order_depends_on_the_seed_and_the_epoch_alone():
    np.testing.assert_array_equal(visited(1, 3), visited(1, 3))
    left_out = [[int(np.argmin(visited(seed, epoch))) for epoch in range(4)] for seed in (0, 1)]
    assert left_out[0] != left_out[1]


def state_after(options, **keys):
    program = build.program(options, Task((FEATURES,), CLASSES))
    last = list(fit(program, data(), batch_size=3, **keys))[-1]
    return program.state(), {
        name: v for name, v in last.items() if "second" not in name and not name.startswith("time/")
    }


def test_equal_seeds_give_equal_bits_and_another_seed_gives_others(options):
    keys = {"epochs": 2, "by_step": constant(0.01)}
    stochastic = ("precision=stochastic_binary", *SMALL)
    first, again, other = (
        state_after(options(*stochastic, f"seed={s}"), seed=s, **keys) for s in (3, 3, 4)
    )
    assert [v.tobytes() for v in first[0]] == [v.tobytes() for v in again[0]]
    assert first[1] == again[1]
    assert [v.tobytes() for v in first[0][:4]] != [v.tobytes() for v in other[0][:4]]


def test_initial_weights_leave_tensorflows_own_seed_whose_change_clears_what_it_compiled(options):
    def draws(between):
        tf.random.set_seed(5)
        first = float(tf.random.uniform(()))
        between()
        return first, float(tf.random.uniform(()))

    keys = options("precision=binaryconnect", *SMALL)
    assert draws(lambda: build.program(keys, Task((FEATURES,), CLASSES))) == draws(lambda: None)


def test_runs_that_differ_in_numbers_share_one_trace(options):
    first = options("precision=binaryconnect", *SMALL)
    second = options(
        "precision=binaryconnect",
        *SMALL,
        "seed=9",
        "optimizer.learning_rate=0.1",
        "schedule=constant",
        "epochs=7",
    )
    traced = set()
    for keys in (first, second):
        program = build.program(keys, Task((FEATURES,), CLASSES))
        rates = constant(keys["optimizer"]["learning_rate"])
        list(fit(program, data(), epochs=2, batch_size=3, by_step=rates, seed=keys["seed"]))
        traced |= {program.train, program.test}
        assert program.train.experimental_get_tracing_count() == 1
        assert program.test.experimental_get_tracing_count() == 1
        del program
    assert len(traced) == 2


def test_programs_of_one_graph_that_are_in_use_at_once_do_not_share_variables(options):
    def program_of(seed):
        keys = options("precision=binaryconnect", *SMALL, f"seed={seed}")
        return build.program(keys, Task((FEATURES,), CLASSES))

    def train(program):
        list(fit(program, data(), epochs=1, batch_size=3, by_step=constant(0.1), seed=0))

    def bits(program):
        return [value.tobytes() for value in program.state()]

    first = program_of(0)
    train(first)
    state, manager = bits(first), first.manager
    second = program_of(1)
    train(second)
    assert bits(first) == state != bits(second)
    weights, trained = manager.weights(), second.train
    del first
    third = program_of(2)  # the variables of the first are still in use
    np.testing.assert_array_equal(manager.weights()[0], weights[0])
    assert third.train is not trained


def test_the_initial_state_of_a_reused_program_depends_on_the_seed_alone(options):
    keys = [options("precision=binaryconnect", *SMALL, f"seed={seed}") for seed in (0, 1, 0)]
    first, second, again = (build.program(key, Task((FEATURES,), CLASSES)).state() for key in keys)
    assert [v.tobytes() for v in first] == [v.tobytes() for v in again]
    assert (first[0] != second[0]).any()


def test_training_from_a_restored_state_continues_with_equal_bits(options):
    keys = options("precision=stochastic_ternary", *SMALL)
    program = build.program(keys, Task((FEATURES,), CLASSES))
    go = partial(fit, program, data(), batch_size=3, by_step=constant(0.01), seed=0)
    list(go(epochs=1))
    kept = program.state()
    list(go(epochs=2, start=1))
    whole = program.state()
    program.restore(kept)
    list(go(epochs=2, start=1))
    assert [v.tobytes() for v in whole] == [v.tobytes() for v in program.state()]


@pytest.mark.parametrize("compiled", ["true", "false"])
def test_a_loss_that_is_not_finite_ends_training_and_names_the_epoch(options, compiled):
    program = build.program(
        options("precision=full", *SMALL, f"compiled={compiled}"), Task((FEATURES,), CLASSES)
    )
    with pytest.raises(
        NonFiniteError, match=r"epoch 1: the loss is (nan|inf).*lower optimizer.learning_rate"
    ):
        list(fit(program, data(), epochs=2, batch_size=3, by_step=constant(3e38), seed=0))


def test_training_ends_after_the_piece_whose_loss_is_not_finite(options, monkeypatch):
    monkeypatch.setattr(loop, "PIECE", 0.0)
    program = build.program(options("precision=full", *SMALL), Task((FEATURES,), CLASSES))
    shares, keys = [], {"epochs": 1, "batch_size": 1, "seed": 0}
    rates = lambda steps, total: {"train/learning_rate": np.where(steps == 1, np.inf, 0.5)}  # noqa: E731
    with pytest.raises(
        NonFiniteError, match=r"epoch 1: .*lower optimizer.learning_rate \(now inf\)"
    ):
        list(fit(program, data(), **keys, by_step=rates, on_progress=lambda *at: shares.append(at)))
    assert shares == [(0, 0.0), (0, 1 / ROWS)]


def test_a_weight_that_is_not_finite_ends_training(options):
    program = build.program(options("precision=full", *SMALL), Task((FEATURES,), CLASSES))
    with pytest.raises(NonFiniteError, match="it or a weight is not finite"):
        list(fit(program, data(), epochs=1, batch_size=ROWS, by_step=constant(np.inf), seed=0))


def test_each_step_has_the_learning_rate_of_the_schedule():
    inputs = keras.Input((1,))
    model = keras.Model(
        inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs)
    )
    program = Program(
        QuantManager(model, []),
        keras.optimizers.SGD(),
        lambda labels, outputs: outputs[:, 0],
        regimes.standard,
        compiled=False,
    )
    ones = data(np.ones((6, 1), "float32"), np.zeros(6, "float32"))
    seen = []

    def rates(steps, total):
        seen.append((steps.tolist(), total))
        return {"train/learning_rate": 10.0**-steps}

    metrics = list(fit(program, ones, epochs=2, batch_size=2, by_step=rates, seed=0))
    assert seen == [([0, 1, 2], 6), ([3, 4, 5], 6)]
    assert model.get_weights()[0][0, 0] == pytest.approx(-1.11111)
    assert [epoch["train/learning_rate"] for epoch in metrics] == pytest.approx([1e-2, 1e-5])


@pytest.mark.parametrize("rows", [7, 1000, 2300])
def test_the_score_covers_every_row_once_for_any_number_of_rows(options, rows):
    program = build.program(options("precision=binarynet", *SMALL), Task((FEATURES,), CLASSES))
    rng = np.random.default_rng(rows)
    x, y = (
        rng.normal(size=(rows, FEATURES)).astype("float32"),
        rng.integers(0, CLASSES, rows).astype("int32"),
    )
    logits = np.asarray(program.manager(x))
    score = loop.score(program, x, y, 3)
    assert score["accuracy"] == pytest.approx(np.mean(logits.argmax(axis=1) == y), abs=1e-6)
    assert score["loss"] == pytest.approx(np.mean(losses.cross_entropy(y, logits)), rel=1e-5)


def test_a_split_without_rows_has_no_score_and_no_metrics(options):
    program = build.program(options("precision=full", *SMALL), Task((FEATURES,), CLASSES))
    assert loop.score(program, X[:0], Y[:0], 3) == {}
    (metrics,) = fit(program, data(), epochs=1, batch_size=3, by_step=constant(0.01), seed=0)
    assert "validation/loss" not in metrics
    (metrics,) = fit(
        program, data(validation=4), epochs=1, batch_size=3, by_step=constant(0.01), seed=0
    )
    assert {
        "validation/loss",
        "validation/accuracy",
        "test/loss",
        "test/accuracy",
    } <= metrics.keys()


@pytest.mark.parametrize(
    ("rows", "size", "expected"),
    [(5, 2, [[0, 1], [2, 3], [4, 0]]), (4, 2, [[0, 1], [2, 3]]), (2, 9, [[0, 1]])],
)
def test_chunks_hold_every_number_once_and_zeros_fill_up_the_last(rows, size, expected):
    np.testing.assert_array_equal(loop.chunks(rows, size), expected)


def test_a_small_net_learns_the_digits(options, digits):
    x, y = digits.train
    part = Data(
        (x[:3000], y[:3000]), digits.validation, digits.test, classes=10, source=digits.source
    )
    program = build.program(options("precision=full", "topology.width=64"), Task((28, 28), 10))
    *_, metrics = fit(program, part, epochs=3, batch_size=50, by_step=constant(0.003), seed=0)
    assert metrics["test/accuracy"] > 0.85
    assert metrics["train/accuracy"] > metrics["test/accuracy"] - 0.05


@pytest.mark.parametrize("size", [0, ROWS + 1])
def test_a_batch_has_at_most_the_training_rows(options, size):
    program = build.program(options(*SMALL), Task((FEATURES,), CLASSES))
    with pytest.raises(ConfigError, match=f"batch_size must be from 1 to {ROWS}, .* got {size}"):
        list(fit(program, data(), epochs=1, batch_size=size, by_step=constant(0.1), seed=0))


def test_labels_beyond_the_outputs_are_named_and_not_the_learning_rate(options):
    program = build.program(options(*SMALL), Task((FEATURES,), CLASSES))
    with pytest.raises(DataError, match="labels of the training split must be classes from 0 to 2"):
        list(fit(program, data(y=Y + 1), epochs=1, batch_size=3, by_step=constant(0.1), seed=0))


@pytest.mark.parametrize(
    "form", [lambda y: y[:, None], lambda y: y.astype("uint8"), lambda y: np.eye(3, dtype=int)[y]]
)
def test_the_same_labels_in_another_form_give_the_same_bits(options, form):
    def trained(y):
        program = build.program(options(*SMALL), Task((FEATURES,), CLASSES))
        *_, last = fit(program, data(y=y), epochs=2, batch_size=3, by_step=constant(0.1), seed=0)
        return last["test/accuracy"], [v.tobytes() for v in program.state()]

    assert trained(form(Y)) == trained(Y)
