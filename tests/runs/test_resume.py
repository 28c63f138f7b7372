"""A run that is stopped at any moment and repeated ends as one that was left alone; nothing is done or logged twice."""

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from brnn import locks
from brnn.config.fingerprint import run_fingerprint
from brnn.data.load import load
from brnn.errors import ConfigError, TrackingError
from brnn.runs.run import run
from brnn.tracking import tag_names
from brnn.tracking.process import _start, alive, owner
from brnn.tracking.store import open_store
from brnn.training import checkpoint

SMALL = (
    "dataset=arrays",
    "precision=stochastic_ternary",
    "topology=mlp",
    "topology.width=16",
    "topology.depth=1",
)
SMALL += ("topology.dropout=0.2", "batch_size=32", "keep=best", "compiled=false")
PLAIN = ("topology.dropout=0", "topology.batch_normalization=false", "attack=none", "epochs=20")
KILLS = int(
    os.environ.get("BRNN_KILLS", "2")
)  # how many runs are killed until they end; 20 for a thorough test


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file of 200 images in two classes."""
    rng = np.random.default_rng(0)
    x, y = rng.random((200, 28, 28)).astype("float32"), np.arange(200) % 2
    file = tmp_path_factory.mktemp("data") / "mine.npz"
    np.savez(file, x=x * (1 + y[:, None, None]) / 2, y=y)
    return file


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """An SQLite store with its tables, to be copied: to create one takes seconds."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_store(uri=f"sqlite:///{file}", experiment="Default")
    return file


class Place:
    """A folder with a store of its own, in which runs are made."""

    def __init__(self, folder, empty, data, options):
        self.folder = folder
        (folder / "mlflow.db").write_bytes(empty.read_bytes())
        self.fixed = [*SMALL, f"dataset.path={data}", f"checkpoints={folder}/checkpoints"]
        self.fixed += [f"tracking.uri=sqlite:///{folder}/mlflow.db"]
        self.options = options
        self.store = open_store(uri=f"sqlite:///{folder}/mlflow.db", experiment="brnn")

    def begin(self, *overrides):
        """Makes a run in a process of its own."""
        command = [sys.executable, "-m", "brnn", *self.fixed, *overrides]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *overrides, report=lambda epoch, metrics: True):
        """Makes a run, and returns its objective."""
        options = self.options(*self.fixed, *overrides)
        return run(options, None, "", report)

    def runs(self):
        """All runs, oldest first."""
        return list(
            self.store.client.search_runs([self.store.experiment_id], order_by=["start_time ASC"])
        )

    def unfinished(self):
        """The checkpoints of runs that are not trained, and what else lies beside them."""
        return [one for one in (self.folder / "checkpoints").iterdir() if one.name != "trained"]

    def numbers(self, one):
        """Every value that the run logged, with its step; without times."""
        histories = {
            key: self.store.client.get_metric_history(one.info.run_id, key)
            for key in one.data.metrics
        }
        return {
            (key, metric.step): metric.value
            for key, history in histories.items()
            for metric in history
            if not key.startswith("time/") and not key.endswith("_per_second")
        }

    def logged(self, one):
        """How often each metric was logged at each step."""
        histories = [
            self.store.client.get_metric_history(one.info.run_id, key) for key in one.data.metrics
        ]
        return [len(history) - len({metric.step for metric in history}) for history in histories]

    def model(self, one):
        """The bytes of the weights that the run left."""
        file = self.store.client.download_artifacts(one.info.run_id, "model/data/model.keras")
        import keras

        return [
            w.tobytes()
            for w in keras.models.load_model(file, compile=False, safe_mode=True).get_weights()
        ]


@pytest.fixture
def place(tmp_path, empty, path, options):
    return Place(tmp_path, empty, path, options)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, empty, path, options):
    """A run of six epochs that nobody stopped."""
    place = Place(tmp_path_factory.mktemp("undisturbed"), empty, path, options)
    place.run("epochs=6")
    return place


def stopping_after(last, error):
    def report(epoch, metrics):
        if epoch == last:
            raise error
        return True

    return report


def counting(epochs):
    return lambda epoch, metrics: epochs.append(epoch) or True


def assert_same(place, undisturbed):
    (one,), (reference,) = place.runs(), undisturbed.runs()
    assert one.info.status == "FINISHED"
    assert place.numbers(one) == undisturbed.numbers(reference)
    assert not any(place.logged(one))
    assert place.model(one) == undisturbed.model(reference)


@pytest.mark.parametrize("epoch", [1, 3, 6])
def test_a_run_that_was_stopped_ends_with_the_bits_of_one_that_was_not(
    place, undisturbed, epoch, capsys
):
    with pytest.raises(KeyboardInterrupt):
        place.run("epochs=6", report=stopping_after(epoch, KeyboardInterrupt))
    assert [one.info.status for one in place.runs()] == ["KILLED"]
    trained = []
    place.run("epochs=6", report=counting(trained))
    assert trained == list(range(epoch + 1, 7))
    assert f" goes on after epoch {epoch}\n" in "".join(capsys.readouterr())
    assert_same(place, undisturbed)
    assert not place.unfinished()


def kill_at_a_random_moment(process, rng, epochs):
    """Kills a run some time after a random epoch, 0 for its start; after the last come the attack and the logging."""
    epoch = rng.choice([0, *range(1, epochs + 1), epochs, epochs])
    for line in process.stdout if epoch else ():
        if f"epoch {epoch}/" in line or "finished in" in line:
            break
    time.sleep(rng.random() * (0.05 if 0 < epoch < epochs else 3))
    process.kill()
    process.communicate()
    return epoch


def test_a_run_killed_at_random_moments_ends_as_one_that_was_not(place, undisturbed):
    rng = random.Random(KILLS)
    for number in range(KILLS):
        process = place.begin("epochs=6")
        epoch = kill_at_a_random_moment(process, rng, 6)
        print(f"kill {number + 1} after epoch {epoch}: {[one.info.status for one in place.runs()]}")
    last = place.begin("epochs=6")
    assert last.wait(timeout=120) == 0, last.communicate()
    assert_same(place, undisturbed)


def two_workers(place):
    """Makes a run in two processes that share each batch; the chief is the first."""
    with socket.socket() as one, socket.socket() as two:
        for free in (one, two):
            free.bind(("127.0.0.1", 0))
        addresses = ",".join(f"127.0.0.1:{free.getsockname()[1]}" for free in (one, two))
    shared = (*PLAIN, "distribution=multi_worker", f"distribution.workers=[{addresses}]")
    return [place.begin(*shared, f"distribution.index={index}") for index in (0, 1)]


def test_two_workers_train_as_one_process_and_if_one_is_lost_both_end_and_go_on(place):
    place.fixed[place.fixed.index("precision=stochastic_ternary")] = "precision=full"
    chief, other = two_workers(place)
    assert any("epoch 1/" in line for line in chief.stdout)
    other.kill()
    assert "error: another worker is gone (" in chief.communicate(timeout=60)[0]
    assert (chief.returncode, other.wait()) == (1, -signal.SIGKILL)
    chief, other = two_workers(place)
    told = [one.communicate(timeout=120)[0] for one in (chief, other)]
    assert (chief.returncode, other.returncode) == (0, 0), told
    (run,) = place.runs()
    assert run.info.status == "FINISHED"
    assert not any(place.logged(run))
    place.run(*PLAIN)
    both, one = map(place.numbers, place.runs())
    keys = [key for key in one if key[0].endswith("/loss")]
    assert len(keys) == 3 * 20
    np.testing.assert_allclose(
        [both[key] for key in keys], [one[key] for key in keys], rtol=1e-4
    )  # sums of two parts


def test_what_finished_is_not_repeated_and_gives_any_objective(place):
    value = place.run("epochs=1", "attack=none")
    assert place.run("epochs=1", "attack=none", report=stopping_after(1, AssertionError)) == value
    (one,) = place.runs()
    both = place.run("epochs=1", "attack=none", "objective=[test/loss,size/bits_per_weight]")
    assert both == [one.data.metrics[key] for key in ("test/loss", "size/bits_per_weight")]
    assert len(place.runs()) == 1


def test_the_verdict_of_a_finished_run_is_told_again(place, capsys):
    for _ in range(2):
        place.run("epochs=1", "attack.checks=true")
    first, again = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("trusted: ")
    ]
    assert first == again


def test_resume_false_starts_afresh(place):
    with pytest.raises(KeyboardInterrupt):
        place.run("epochs=2", "attack=none", report=stopping_after(1, KeyboardInterrupt))
    trained = []
    place.run("epochs=2", "attack=none", "resume=false", report=counting(trained))
    assert trained == [1, 2]
    assert [one.info.status for one in place.runs()] == ["KILLED", "FINISHED"]


def test_another_attack_on_the_same_net_does_not_train_it_again(place, undisturbed):
    trained = []
    place.run("epochs=6", "attack=none", "keep=last")
    place.run("epochs=6", "attack=none", report=counting(trained))
    place.run("epochs=6", report=counting(trained))
    assert trained == [1, 2, 3, 4, 5, 6]  # keep=last is another training
    _, first, second = place.runs()
    assert second.data.tags["trained_by"] == first.info.run_id
    (reference,) = undisturbed.runs()
    assert place.numbers(second) == undisturbed.numbers(reference)
    assert place.model(second) == undisturbed.model(reference)


def test_a_net_that_another_process_trains_is_waited_for(place, capsys):
    place.run("epochs=1", "attack=none")
    (net,) = (place.folder / "checkpoints" / "trained").iterdir()
    with contextlib.ExitStack() as other:
        other.enter_context(locks.locked(net))  # as another process would hold it
        release = threading.Timer(1, other.close)
        release.start()
        trained = []
        place.run("epochs=1", report=counting(trained))
        release.join()
    assert capsys.readouterr().out.count(" waits for its net, which another process trains\n") == 1
    assert trained == []


def test_only_the_newest_trained_nets_are_kept(place):
    for seed in range(3):
        place.run("epochs=1", "attack=none", f"seed={seed}", "keep_trained=2")
    kept = list((place.folder / "checkpoints" / "trained").iterdir())
    assert [one.suffix for one in kept] == [".npz"] * 2
    trained = []
    place.run("epochs=1", "seed=2", "keep_trained=2", report=counting(trained))
    assert trained == []
    place.run("epochs=1", "seed=0", "keep_trained=2", report=counting(trained))
    assert trained == [1]


def test_a_store_that_stays_locked_fails_the_run_and_costs_no_epoch(place):
    lock = sqlite3.connect(place.folder / "mlflow.db", isolation_level=None)

    def locking(epoch, metrics):
        lock.execute("BEGIN EXCLUSIVE")
        return True

    with contextlib.closing(lock), pytest.raises(TrackingError, match="database is locked"):
        place.run("epochs=3", "attack=none", report=locking)
    trained = []
    place.run(
        "epochs=3", "attack=none", "resume=force", report=counting(trained)
    )  # this process is still alive
    assert trained == [
        3
    ]  # the checkpoint of epoch 2 was written before the store refused its metrics
    (one,) = place.runs()
    assert one.info.status == "FINISHED"
    assert not any(place.logged(one))


def test_what_failed_is_run_again_as_the_same_run(place):
    with pytest.raises(RuntimeError):
        place.run("epochs=2", "attack=none", report=stopping_after(2, RuntimeError("no luck")))
    (one,) = place.runs()
    assert (one.info.status, one.data.tags["error"]) == ("FAILED", "RuntimeError: no luck")
    place.run("epochs=2", "attack=none")
    (one,) = place.runs()
    assert (one.info.status, one.data.tags.get("error")) == ("FINISHED", None)
    assert not any(place.logged(one))


def test_a_wrong_objective_costs_one_epoch_which_is_kept(place):
    trained = []
    with pytest.raises(
        ConfigError, match="objective must be a metric of the run, as test/accuracy, "
    ):
        place.run("epochs=2", "attack=none", "objective=test/acuracy", report=counting(trained))
    assert trained == []  # it is refused before the first epoch is reported
    place.run("epochs=2", "attack=none", report=counting(trained))
    assert trained == [2]


def test_without_its_checkpoint_a_run_is_trained_again_and_nothing_logged_twice(place):
    with pytest.raises(KeyboardInterrupt):
        place.run("epochs=3", "attack=none", report=stopping_after(2, KeyboardInterrupt))
    for file in place.unfinished():
        file.unlink()
    trained = []
    place.run("epochs=3", "attack=none", report=counting(trained))
    assert trained == [1, 2, 3]
    (one,) = place.runs()
    assert not any(place.logged(one))


def test_a_checkpoint_that_cannot_be_read_is_named(place):
    with pytest.raises(KeyboardInterrupt):
        place.run("epochs=2", "attack=none", report=stopping_after(1, KeyboardInterrupt))
    (file,) = place.unfinished()
    file.write_bytes(b"nonsense")
    with pytest.raises(
        ConfigError, match=f"{file} is no checkpoint of this net .* use resume=false"
    ):
        place.run("epochs=2", "attack=none")


def test_a_run_that_goes_on_is_not_started_again(place):
    def again(epoch, metrics):
        place.run("epochs=2", "attack=none")

    with pytest.raises(TrackingError, match=r"this run goes on already, as process .*resume=force"):
        place.run("epochs=2", "attack=none", report=again)


@pytest.mark.parametrize(
    ("owner", "goes_on"),
    [
        (
            f"{owner().rpartition(':')[0]}:1",
            True,
        ),  # its number was given to a later process: this one
        ("elsewhere:1:1", False),  # who knows
    ],
    ids=["here", "elsewhere"],
)
def test_whether_the_process_of_a_run_is_gone_is_known_on_its_machine_alone(place, owner, goes_on):
    with pytest.raises(KeyboardInterrupt):
        place.run("epochs=2", "attack=none", report=stopping_after(1, KeyboardInterrupt))
    (one,) = place.runs()
    place.store.client.update_run(one.info.run_id, "RUNNING")
    place.store.client.set_tag(one.info.run_id, tag_names.OWNER, owner)
    if not goes_on:
        with pytest.raises(
            TrackingError, match="this run goes on already, as process elsewhere:1:1"
        ):
            place.run("epochs=2", "attack=none")
    place.run("epochs=2", "attack=none", f"resume={'true' if goes_on else 'force'}")
    assert [one.info.status for one in place.runs()] == ["FINISHED"]


def test_a_dead_process_is_told_from_a_living_one():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = (
        owner().replace(str(os.getpid()), str(child.pid)).rpartition(":")[0]
        + ":"
        + _start(child.pid)
    )
    assert alive(start)
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(start)  # a zombie
    child.wait()
    assert not alive(start)


def test_the_same_numbers_have_the_same_fingerprint_wherever_things_lie(options, path):
    def fingerprint(*overrides, digest="d"):
        return run_fingerprint(options(*SMALL, f"dataset.path={path}", *overrides), digest)

    same = [
        "checkpoints=x",
        "tracking.uri=sqlite:///x.db",
        "dataset.path=x.npz",
        "objective=test/loss",
        "resume=false",
    ]
    assert {fingerprint(one) for one in same} == {fingerprint()}
    other = ["epochs=7", "seed=1", "topology.width=17", "patience=3", "dataset.seed=1"]
    assert len({fingerprint(), fingerprint(digest="e"), *map(fingerprint, other)}) == 2 + len(other)


def test_other_data_make_another_run(tmp_path, path):
    digests = []
    for factor in (1, 1, 0.5):
        file = tmp_path / f"{len(digests)}.npz"
        with np.load(path) as arrays:
            np.savez(file, x=factor * arrays["x"], y=arrays["y"])
        option = (
            f'{{"name": "arrays", "path": "{file}", "validation": 0.1, "test": 0.1, "seed": null}}'
        )
        digests.append(load(option, ())[1])
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("monitor", "epochs"), [("max train/learning_rate", 3), ("min train/learning_rate", 5)]
)
def test_patience_ends_training_after_so_many_epochs_without_a_better_one(place, monitor, epochs):
    trained = []
    place.run(
        "epochs=5", "attack=none", "patience=2", f"monitor={monitor}", report=counting(trained)
    )
    assert trained == list(range(1, epochs + 1))  # the learning rate falls from epoch to epoch
    (one,) = place.runs()
    assert len(place.store.client.get_metric_history(one.info.run_id, "train/loss")) == epochs


def test_patience_goes_on_where_it_was(place):
    arguments = ("epochs=5", "attack=none", "patience=2", "monitor=max train/learning_rate")
    with pytest.raises(KeyboardInterrupt):
        place.run(*arguments, report=stopping_after(2, KeyboardInterrupt))
    trained = []
    place.run(*arguments, report=counting(trained))
    assert trained == [3]


def test_a_monitor_that_no_epoch_has_is_named(place):
    with pytest.raises(
        ConfigError, match="monitor must name a metric of an epoch, got 'train/los': "
    ):
        place.run("epochs=2", "attack=none", "patience=1", "monitor=min train/los")


def test_a_checkpoint_holds_what_the_rest_of_a_run_needs(place):
    with pytest.raises(KeyboardInterrupt):
        place.run("epochs=3", "attack=none", report=stopping_after(2, KeyboardInterrupt))
    (file,) = place.unfinished()
    arrays, values = checkpoint.load(file)
    assert set(arrays) == {"last", "best"}
    assert [set(metrics) >= {"train/loss", "flip_rate/all"} for metrics in values["history"]] == [
        True,
        True,
    ]
    assert values["seconds"] > 0
    assert values["run"] == place.runs()[0].info.run_id
