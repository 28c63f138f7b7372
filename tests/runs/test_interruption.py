"""Interrupted runs: repeated, they end with the same bits, and log nothing twice."""

import contextlib
import os
import random
import signal
import sqlite3
import time

import numpy as np
import pytest
import sqlalchemy
from sqlalchemy.engine import Engine
from support import processes
from support.repeated import assert_same
from support.servers import free_port

from brnn.errors import ConfigError, TrackingError
from brnn.training import checkpoint

PLAIN = ("topology.dropout=0", "topology.batch_normalization=false", "attack=none", "epochs=20")
KILLS = int(os.environ.get("BRNN_KILLS", "2"))  # of one run; 20 for a thorough test


@pytest.mark.parametrize("epoch", [1, 3, 6])
def test_an_interrupted_run_ends_with_the_bits_of_an_uninterrupted_one(
    repeated, reference, epoch, capsys
):
    repeated.stop("epochs=6", after=epoch)
    assert repeated.statuses() == ["KILLED"]
    assert repeated.trained_epochs("epochs=6") == list(range(epoch + 1, 7))
    assert f" continues after epoch {epoch}\n" in "".join(capsys.readouterr())
    assert_same(repeated, reference)
    assert not repeated.unfinished()


def kill_at_a_random_moment(process, rng, epochs):
    """Kill a run some time after a random epoch; 0 is its start, the last is before the attack."""
    epoch = rng.choice([0, *range(1, epochs + 1), epochs, epochs])
    for line in process.stdout if epoch else ():
        if f"epoch {epoch}/" in line or "finished in" in line:
            break
    time.sleep(rng.random() * (0.05 if 0 < epoch < epochs else 3))
    process.kill()
    process.communicate()
    return epoch


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_bits(repeated, reference):
    rng = random.Random(KILLS)
    for number in range(KILLS):
        epoch = kill_at_a_random_moment(repeated.begin("epochs=6"), rng, 6)
        print(f"kill {number + 1} after epoch {epoch}: {repeated.statuses()}")
    last = repeated.begin("epochs=6")
    out, err = last.communicate()
    assert last.returncode == 0, out + err
    assert_same(repeated, reference)


def begin_workers(repeated):
    """Start a run in two processes that share each batch; the chief is the first."""
    addresses = ",".join(f"127.0.0.1:{free_port()}" for _ in range(2))
    shared = (*PLAIN, "distribution=multi_worker", f"distribution.workers=[{addresses}]")
    return [repeated.begin(*shared, f"distribution.index={index}") for index in (0, 1)]


@pytest.mark.slow
def test_workers_end_if_one_is_lost_and_continue_to_the_numbers_of_a_single_process(repeated):
    repeated.overrides[repeated.overrides.index("precision=stochastic_ternary")] = "precision=full"
    chief, other = begin_workers(repeated)
    processes.wait_for_line(chief, "epoch 1/")
    other.kill()
    _, err = chief.communicate(timeout=60)
    assert "error: another worker is lost (" in err
    assert (chief.returncode, other.wait()) == (1, -signal.SIGKILL)
    workers = begin_workers(repeated)
    printed = [worker.communicate() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], printed
    (run,) = repeated.runs()
    assert run.info.status == "FINISHED"
    assert not repeated.has_duplicates(run)
    repeated.run(*PLAIN)
    shared, single = map(repeated.numbers, repeated.runs())
    keys = [key for key in single if key[0].endswith("/loss")]
    assert len(keys) == 3 * (20 + 1)  # of the epochs, and of the kept one
    losses = [[numbers[key] for key in keys] for numbers in (shared, single)]
    np.testing.assert_allclose(*losses, rtol=1e-4)  # a sum of two parts


def test_without_its_checkpoint_a_run_is_trained_again_and_logs_nothing_twice(repeated):
    repeated.stop("epochs=3", "attack=none", after=2)
    for file in repeated.unfinished():
        file.unlink()
    assert repeated.trained_epochs("epochs=3", "attack=none") == [1, 2, 3]
    (run,) = repeated.runs()
    assert not repeated.has_duplicates(run)


def test_a_damaged_checkpoint_is_named(repeated):
    repeated.stop("epochs=2", "attack=none", after=1)
    (file,) = repeated.unfinished()
    file.write_bytes(b"damaged")
    message = f"{file} is not a checkpoint of this net .* use resume=false"
    with pytest.raises(ConfigError, match=message):
        repeated.run("epochs=2", "attack=none")


def test_a_checkpoint_holds_the_state_of_a_run(repeated):
    repeated.stop("epochs=3", "attack=none", after=2)
    (file,) = repeated.unfinished()
    arrays, values = checkpoint.load(file)
    assert set(arrays) == {"last", "best"}
    assert len(values["history"]) == 2
    for metrics in values["history"]:
        assert metrics.keys() >= {"train/loss", "flip_rate/all"}
    assert values["seconds"] > 0
    assert values["run"] == repeated.runs()[0].info.run_id


@pytest.fixture
def impatient():
    """Let a store wait for a locked database for 0.2 s, not 20 s."""

    def shorter(connection, cursor, statement, parameters, context, executemany):
        return statement.replace("busy_timeout = 20000", "busy_timeout = 200"), parameters

    event = (Engine, "before_cursor_execute", shorter)
    sqlalchemy.event.listen(*event, retval=True)
    yield
    sqlalchemy.event.remove(*event)


@pytest.mark.usefixtures("impatient")
def test_a_locked_store_fails_the_run_and_costs_no_epoch(repeated):
    lock = sqlite3.connect(repeated.path / "mlflow.db", isolation_level=None)

    def on_epoch(epoch, metrics):
        lock.execute("BEGIN EXCLUSIVE")
        return True

    with contextlib.closing(lock), pytest.raises(TrackingError, match="database is locked"):
        repeated.run("epochs=3", "attack=none", on_epoch=on_epoch)
    # The checkpoint of epoch 2 was written before the store refused its metrics, and the process
    # that owns the run, this one, is alive.
    assert repeated.trained_epochs("epochs=3", "attack=none", "resume=force") == [3]
    (run,) = repeated.runs()
    assert run.info.status == "FINISHED"
    assert not repeated.has_duplicates(run)


def test_a_failed_run_is_repeated_as_the_same_run(repeated):
    repeated.stop("epochs=2", "attack=none", after=2, error=RuntimeError("bad luck"))
    (run,) = repeated.runs()
    assert (run.info.status, run.data.tags["error"]) == ("FAILED", "RuntimeError: bad luck")
    repeated.run("epochs=2", "attack=none")
    (run,) = repeated.runs()
    assert (run.info.status, run.data.tags.get("error")) == ("FINISHED", None)
    assert not repeated.has_duplicates(run)
