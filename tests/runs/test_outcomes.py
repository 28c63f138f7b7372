"""Which net a run keeps, what fails it, and that runs of one graph share its programs."""

import numpy as np
import pytest
from support.tracked import BY_EPOCH, EPOCHS, QUICK, Tracked, images, runs

from brnn.attacks import batches
from brnn.errors import ConfigError, NonFiniteError
from brnn.robustness import nets
from brnn.training import build
from brnn.training.lending import Lending

FORGETFUL = (
    *("precision=binaryconnect", "topology.real_first=false", "topology.dropout=0"),
    *("compiled=false", "figures=[]"),
    *("schedule=exponential", "schedule.decay=30", "schedule.every=30"),  # the learning rate grows
)


def test_keep_chooses_the_net_that_is_attacked_logged_and_reported(track, folder):
    x, y = images(folder)
    best, last = (track(*FORGETFUL, f"keep={keep}") for keep in ("best", "last"))
    history = [accuracy for _, accuracy in best.history("validation/accuracy")]
    assert history[0] > history[EPOCHS - 1] + 0.05, "this net was to forget"
    assert [step for step, _ in best.history("train/loss")] == [*range(1, EPOCHS + 2)]
    assert [step for step, _ in last.history("train/loss")] == [*range(1, EPOCHS + 1)]
    for key in BY_EPOCH:  # the columns of the store show the net that was kept
        assert best.data.metrics[key] == best.history(key)[0][1], key
    assert best.data.metrics["best/epoch"] == last.data.metrics["best/epoch"] == 1
    for tracked, step in ((best, 0), (last, -1)):
        accuracy = tracked.history("test/accuracy")[step][1]
        assert np.mean(tracked.model().predict(x, verbose=0).argmax(axis=1) == y) == pytest.approx(
            accuracy, abs=1e-6
        )
        assert tracked.data.metrics["attack/clean_accuracy"] == pytest.approx(accuracy, abs=1e-6)
        assert tracked.objective == tracked.history("validation/accuracy")[step][1]


def test_a_loss_that_is_not_finite_fails_the_run_with_a_clear_error(track, folder):
    with pytest.raises(NonFiniteError) as error:
        track(
            "precision=full",
            "optimizer=sgd",
            "optimizer.learning_rate=1e35",
            "schedule=constant",
            "compiled=false",
        )
    assert str(error.value).startswith("epoch 1: the loss is ")
    assert str(error.value).endswith(
        "is not finite; try a lower optimizer.learning_rate (now 1e+35)"
    )
    latest = Tracked(0, *runs(folder)[0], {})
    assert latest.status == "FAILED"
    assert latest.data.tags["error"] == f"NonFiniteError: {error.value}"


def test_without_validation_data_the_objective_is_that_of_test(track):
    tracked = track(*QUICK, "compiled=false", "dataset.validation=0")
    assert tracked.objective == tracked.data.metrics["test/accuracy"]


def test_a_batch_larger_than_the_training_data_is_refused_before_there_is_a_run(track, folder):
    before = len(runs(folder))
    with pytest.raises(
        ConfigError, match="batch_size must be at most 3600, the training rows, got 3601"
    ):
        track("batch_size=3601")
    assert len(runs(folder)) == before


def test_runs_of_one_graph_compile_it_once_even_after_one_that_failed(track, monkeypatch):
    made = {build: [], nets: []}

    def counted(module, make):
        def made_and_kept(*key):
            made[module].append(make(*key))
            return made[module][-1]

        return Lending(made_and_kept, module.KEPT)

    monkeypatch.setattr(build, "_programs", counted(build, build._program_of_graph))
    monkeypatch.setattr(nets, "_nets", counted(nets, nets._of_shape))
    keys = ("epochs=1", "topology.width=5", "figures=[]")
    track(*keys)
    (program,), attacked = made[build], len(made[nets])
    traced = batches._compiled.cache_info().misses
    with pytest.raises(NonFiniteError):
        track(*keys, "optimizer.learning_rate=1e38")
    track(*keys, "seed=4")
    assert made[build] == [program]
    assert program.train.experimental_get_tracing_count() == 1
    assert program.test.experimental_get_tracing_count() == 2  # validation and test
    assert attacked
    assert len(made[nets]) == attacked
    assert batches._compiled.cache_info().misses == traced
