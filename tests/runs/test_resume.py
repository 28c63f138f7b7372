"""Resuming: an interrupted run that is repeated ends with the same bits, and logs nothing twice."""

import contextlib
import os
import random
import signal
import sqlite3
import time

import keras
import numpy as np
import pytest
from support import processes, stores
from support.data import write_two_classes
from support.servers import free_port

from brnn import locks
from brnn.config.fingerprint import run_fingerprint
from brnn.data.load import load
from brnn.errors import ConfigError, TrackingError
from brnn.runs.run import run
from brnn.terminal import lines
from brnn.tracking import tag_names
from brnn.tracking.process import owner
from brnn.tracking.sweep_job import SweepJob
from brnn.training import checkpoint

NET = (
    "dataset=arrays",
    "precision=stochastic_ternary",
    "topology=mlp",
    "topology.width=16",
    "topology.depth=1",
    "topology.dropout=0.2",
    "batch_size=32",
    "keep=best",
    "compiled=false",
)
PLAIN = ("topology.dropout=0", "topology.batch_normalization=false", "attack=none", "epochs=20")
KILLS = int(os.environ.get("BRNN_KILLS", "2"))  # of one run; 20 for a thorough test


@pytest.fixture(scope="module")
def data_path(tmp_path_factory):
    return write_two_classes(tmp_path_factory.mktemp("data") / "mine.npz")


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A SQLite store with its tables, to be copied: its creation takes seconds."""
    folder = tmp_path_factory.mktemp("store")
    stores.open_in(folder, "Default")
    return folder / "mlflow.db"


class Folder:
    """A folder with a store, in which a small net is trained."""

    def __init__(self, path, empty_store, data_path, options):
        self.path = path
        (path / "mlflow.db").write_bytes(empty_store.read_bytes())
        self.overrides = [*NET, f"dataset.path={data_path}", f"checkpoints={path}/checkpoints"]
        self.overrides += [f"tracking.uri=sqlite:///{path}/mlflow.db"]
        self.options = options
        self.store = stores.open_in(path)

    def begin(self, *overrides):
        """Start a run in another process."""
        return processes.begin(self.path, *self.overrides, *overrides)

    def run(self, *overrides, on_epoch=lambda epoch, metrics: True):
        """Run in this process, and return the objective."""
        return run(self.options(*self.overrides, *overrides), None, "", on_epoch)

    def trained_epochs(self, *overrides):
        """Run in this process, and return the epochs that were trained."""
        epochs = []
        self.run(*overrides, on_epoch=lambda epoch, metrics: epochs.append(epoch) or True)
        return epochs

    def stop(self, *overrides, after, error=KeyboardInterrupt):
        """Run in this process until an epoch raises an error."""

        def on_epoch(epoch, metrics):
            if epoch == after:
                raise error
            return True

        with pytest.raises(error if isinstance(error, type) else type(error)):
            self.run(*overrides, on_epoch=on_epoch)

    def runs(self):
        """Return all runs, oldest first."""
        return stores.all_runs(self.store)

    def statuses(self):
        """Return the status of each run, oldest first."""
        return [run.info.status for run in self.runs()]

    def unfinished(self):
        """Return the files of runs that have not finished."""
        files = (self.path / "checkpoints").iterdir()
        return [file for file in files if file.name != "trained"]

    def histories(self, run):
        """Return the steps and values of each metric that a run logged."""
        return {key: stores.history(self.store, run.info.run_id, key) for key in run.data.metrics}

    def numbers(self, run):
        """Return every value that a run logged, by name and step, without times."""
        return {
            (key, step): value
            for key, history in self.histories(run).items()
            for step, value in history
            if not key.startswith("time/") and not key.endswith("_per_second")
        }

    def has_duplicates(self, run):
        """Return whether a metric was logged twice at a step."""
        histories = self.histories(run).values()
        return any(len(history) > len({step for step, _ in history}) for history in histories)

    def weights(self, run):
        """Return the bytes of the weights that a run logged."""
        path = "model/data/model.keras"
        file = self.store.client.download_artifacts(run.info.run_id, path)
        model = keras.models.load_model(file, compile=False, safe_mode=True)
        return [weights.tobytes() for weights in model.get_weights()]


@pytest.fixture
def folder(tmp_path, empty_store, data_path, options):
    return Folder(tmp_path, empty_store, data_path, options)


@pytest.fixture(scope="module")
def reference(tmp_path_factory, empty_store, data_path, options):
    """A run of six epochs without interruption."""
    folder = Folder(tmp_path_factory.mktemp("reference"), empty_store, data_path, options)
    folder.run("epochs=6")
    return folder


def assert_same(folder, reference):
    (run,), (expected,) = folder.runs(), reference.runs()
    assert run.info.status == "FINISHED"
    assert folder.numbers(run) == reference.numbers(expected)
    assert not folder.has_duplicates(run)
    assert folder.weights(run) == reference.weights(expected)


# Interruptions


@pytest.mark.parametrize("epoch", [1, 3, 6])
def test_an_interrupted_run_ends_with_the_bits_of_an_uninterrupted_one(
    folder, reference, epoch, capsys
):
    folder.stop("epochs=6", after=epoch)
    assert folder.statuses() == ["KILLED"]
    assert folder.trained_epochs("epochs=6") == list(range(epoch + 1, 7))
    assert f" continues after epoch {epoch}\n" in "".join(capsys.readouterr())
    assert_same(folder, reference)
    assert not folder.unfinished()


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
def test_a_run_killed_at_random_moments_ends_with_the_same_bits(folder, reference):
    rng = random.Random(KILLS)
    for number in range(KILLS):
        epoch = kill_at_a_random_moment(folder.begin("epochs=6"), rng, 6)
        print(f"kill {number + 1} after epoch {epoch}: {folder.statuses()}")
    last = folder.begin("epochs=6")
    out, err = last.communicate(timeout=processes.TIMEOUT)
    assert last.returncode == 0, out + err
    assert_same(folder, reference)


# What comes after training

PLUGIN = """
import time
from pathlib import Path

import tensorflow as tf

from brnn.config.ranges import Positive

SEES_GRADIENT = False
MARKER = Path(__file__).with_name("marker")


def obedient(net, x, labels, seed, *, epsilon: Positive):
    def act(images):
        if len(images) > 2:  # not in a rehearsal
            MARKER.with_name("begun").touch()
            while MARKER.exists():
                if MARKER.read_text() == "fail":
                    raise RuntimeError("bad luck")
                time.sleep(0.05)
        return images

    return tf.ensure_shape(tf.numpy_function(act, [x], tf.float32), x.shape)
"""
OBEDIENT = ("epochs=2", "attack.name=mylab_obedient.obedient", "plugins=[mylab_obedient]")
FGSM_KEYS = ("norm", "iterations", "targeted", "clip")  # of the option in its place
OBEDIENT = (*OBEDIENT, "attack.checks=false", *(f"~attack.{key}" for key in FGSM_KEYS))


def begin_attack(folder, order):
    """Start a run in another process, with an order to its attack; return when that has begun."""
    (folder.path / "begun").unlink(missing_ok=True)
    (folder.path / "marker").write_text(order)
    process = folder.begin(*OBEDIENT)
    processes.wait_until(lambda: (folder.path / "begun").exists() or process.poll() is not None)
    assert (folder.path / "begun").exists(), process.communicate()
    return process


def failed_process(process):
    """What a process that fails prints on stderr."""
    out, err = process.communicate(timeout=processes.TIMEOUT)
    assert process.returncode == 1, out + err
    assert "the trained net is kept; the same command with resume=true repeats the" in out + err
    return err


def block_model(folder, run):
    """Write a file in place of the folder of a run's model, and return its path."""
    path = folder.path / "mlartifacts" / run.info.run_id / "artifacts" / "model"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


@pytest.mark.slow
def test_failures_after_training_cost_no_epoch_and_change_no_number(
    folder, empty_store, data_path, options, monkeypatch
):
    monkeypatch.syspath_prepend(folder.path)
    (folder.path / "mylab_obedient.py").write_text(PLUGIN)
    (folder.path / "uninterrupted").mkdir()
    expected = Folder(folder.path / "uninterrupted", empty_store, data_path, options)
    assert expected.trained_epochs(*OBEDIENT) == [1, 2]

    assert "attack=mylab_obedient.obedient failed: RuntimeError: bad luck" in failed_process(
        begin_attack(folder, "fail")
    )
    (run,) = folder.runs()
    assert (run.info.status, run.data.tags["failed_in"]) == ("FAILED", "attack")
    assert {"test/accuracy", "size/bits_per_weight"} <= run.data.metrics.keys()

    killed = begin_attack(folder, "wait")
    (run,) = folder.runs()
    assert "failed_in" not in run.data.tags
    killed.kill()
    killed.communicate()

    refused = begin_attack(folder, "wait")
    blocked = block_model(folder, run)
    (folder.path / "marker").unlink()
    assert "error: tracking.uri=" in failed_process(refused)
    (run,) = folder.runs()
    assert (run.info.status, run.data.tags["failed_in"]) == ("FAILED", "artifacts")

    blocked.unlink()
    (folder.path / "marker").write_text("fail")  # a complete attack is not repeated
    assert folder.trained_epochs(*OBEDIENT) == []
    assert_same(folder, expected)
    assert not {"failed_in", "error"} & folder.runs()[0].data.tags.keys()
    assert not folder.unfinished()


def test_the_net_of_an_unfinished_run_is_kept_whatever_other_runs_publish(folder):
    def on_epoch(epoch, metrics):
        blocked.append(block_model(folder, folder.runs()[0]))
        return True

    blocked = []
    with pytest.raises(TrackingError, match="Not a directory"):
        folder.run("epochs=1", "attack=none", on_epoch=on_epoch)
    blocked[0].unlink()
    folder.run("epochs=1", "attack=none", "seed=1", "keep_trained=1")
    assert len(list((folder.path / "checkpoints" / "trained").iterdir())) == 1
    assert folder.trained_epochs("epochs=1", "attack=none") == []
    assert folder.statuses() == ["FINISHED", "FINISHED"]


# Workers


def begin_workers(folder):
    """Start a run in two processes that share each batch; the chief is the first."""
    addresses = ",".join(f"127.0.0.1:{free_port()}" for _ in range(2))
    shared = (*PLAIN, "distribution=multi_worker", f"distribution.workers=[{addresses}]")
    return [folder.begin(*shared, f"distribution.index={index}") for index in (0, 1)]


@pytest.mark.slow
def test_workers_end_if_one_is_lost_and_continue_to_the_numbers_of_a_single_process(folder):
    folder.overrides[folder.overrides.index("precision=stochastic_ternary")] = "precision=full"
    chief, other = begin_workers(folder)
    processes.wait_for_line(chief, "epoch 1/")
    other.kill()
    _, err = chief.communicate(timeout=60)
    assert "error: another worker is lost (" in err
    assert (chief.returncode, other.wait()) == (1, -signal.SIGKILL)
    workers = begin_workers(folder)
    printed = [worker.communicate(timeout=processes.TIMEOUT) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], printed
    (run,) = folder.runs()
    assert run.info.status == "FINISHED"
    assert not folder.has_duplicates(run)
    folder.run(*PLAIN)
    shared, single = map(folder.numbers, folder.runs())
    keys = [key for key in single if key[0].endswith("/loss")]
    assert len(keys) == 3 * (20 + 1)  # of the epochs, and of the kept one
    losses = [[numbers[key] for key in keys] for numbers in (shared, single)]
    np.testing.assert_allclose(*losses, rtol=1e-4)  # a sum of two parts


def test_without_its_checkpoint_a_run_is_trained_again_and_logs_nothing_twice(folder):
    folder.stop("epochs=3", "attack=none", after=2)
    for file in folder.unfinished():
        file.unlink()
    assert folder.trained_epochs("epochs=3", "attack=none") == [1, 2, 3]
    (run,) = folder.runs()
    assert not folder.has_duplicates(run)


def test_a_damaged_checkpoint_is_named(folder):
    folder.stop("epochs=2", "attack=none", after=1)
    (file,) = folder.unfinished()
    file.write_bytes(b"damaged")
    message = f"{file} is not a checkpoint of this net .* use resume=false"
    with pytest.raises(ConfigError, match=message):
        folder.run("epochs=2", "attack=none")


def test_a_checkpoint_holds_the_state_of_a_run(folder):
    folder.stop("epochs=3", "attack=none", after=2)
    (file,) = folder.unfinished()
    arrays, values = checkpoint.load(file)
    assert set(arrays) == {"last", "best"}
    assert len(values["history"]) == 2
    for metrics in values["history"]:
        assert metrics.keys() >= {"train/loss", "flip_rate/all"}
    assert values["seconds"] > 0
    assert values["run"] == folder.runs()[0].info.run_id


def test_a_locked_store_fails_the_run_and_costs_no_epoch(folder):
    lock = sqlite3.connect(folder.path / "mlflow.db", isolation_level=None)

    def on_epoch(epoch, metrics):
        lock.execute("BEGIN EXCLUSIVE")
        return True

    with contextlib.closing(lock), pytest.raises(TrackingError, match="database is locked"):
        folder.run("epochs=3", "attack=none", on_epoch=on_epoch)
    # The checkpoint of epoch 2 was written before the store refused its metrics, and the process
    # that owns the run, this one, is alive.
    assert folder.trained_epochs("epochs=3", "attack=none", "resume=force") == [3]
    (run,) = folder.runs()
    assert run.info.status == "FINISHED"
    assert not folder.has_duplicates(run)


def test_a_failed_run_is_repeated_as_the_same_run(folder):
    folder.stop("epochs=2", "attack=none", after=2, error=RuntimeError("bad luck"))
    (run,) = folder.runs()
    assert (run.info.status, run.data.tags["error"]) == ("FAILED", "RuntimeError: bad luck")
    folder.run("epochs=2", "attack=none")
    (run,) = folder.runs()
    assert (run.info.status, run.data.tags.get("error")) == ("FINISHED", None)
    assert not folder.has_duplicates(run)


# Finished runs


def test_a_finished_run_is_not_repeated_and_returns_any_objective(folder):
    value = folder.run("epochs=1", "attack=none")
    epochs = []
    again = folder.run("epochs=1", "attack=none", on_epoch=lambda *epoch: epochs.append(epoch))
    assert (again, epochs) == (value, [])
    (run,) = folder.runs()
    keys = ("test/loss", "size/bits_per_weight")
    values = folder.run("epochs=1", "attack=none", f"objective=[{','.join(keys)}]")
    assert values == [run.data.metrics[key] for key in keys]
    assert len(folder.runs()) == 1


@pytest.mark.parametrize(("precision", "epochs"), [("full", []), ("binarynet", [1])])
def test_an_estimator_without_effect_does_not_make_another_net(folder, capsys, precision, epochs):
    keys = ("epochs=1", "attack=none", f"precision={precision}")
    assert folder.trained_epochs(*keys, "estimator=identity") == [1]
    assert "has no effect" not in "".join(capsys.readouterr())
    assert folder.trained_epochs(*keys, "estimator=ste") == epochs
    note = f"{precision}-ste-mlp-modern-s0: estimator=ste has no effect, since precision="
    assert (note in "".join(capsys.readouterr())) == (not epochs)
    first, *others = folder.runs()
    assert len(others) == len(epochs)  # the run with the same numbers counts as this one
    assert first.data.tags.get("without_effect") == (None if epochs else "estimator")


@pytest.mark.parametrize("resume", ["resume=true", "resume=false"])
def test_jobs_that_differ_in_a_choice_without_effect_share_a_run(folder, capsys, resume):
    keys = ("epochs=1", "attack=none", "precision=full", resume)
    with folder.store.run("sweep", {"sweep": "estimator=identity,ste"}, None) as parent:
        for number, estimator in enumerate(("identity", "ste")):
            job = SweepJob(parent.id, "launch", (), {}, number)
            options = folder.options(*folder.overrides, *keys, f"estimator={estimator}")
            run(options, job, "", lambda epoch, metrics: True)
    assert "full-ste-mlp-modern-s0 is skipped: it finished as run" in capsys.readouterr().out
    (child,) = folder.store.children(parent.id)
    assert child.data.params["estimator"] == "identity"


def test_the_verdict_of_a_finished_run_is_printed_again(folder, capsys):
    verdicts = []
    for _ in range(2):
        folder.run("epochs=1", "attack.checks=true")
        out = capsys.readouterr().out
        (run,) = folder.runs()
        trusted = run.data.tags["trusted"]
        verdicts += [line for line in out.splitlines() if line.endswith(trusted)]
    first, again = verdicts
    assert first == again


def test_resume_false_starts_afresh(folder):
    folder.stop("epochs=2", "attack=none", after=1)
    assert folder.trained_epochs("epochs=2", "attack=none", "resume=false") == [1, 2]
    assert folder.statuses() == ["KILLED", "FINISHED"]


# Trained nets


def test_another_attack_on_the_same_net_does_not_train_it_again(folder, reference):
    folder.run("epochs=6", "attack=none", "keep=last")  # another training
    assert folder.trained_epochs("epochs=6", "attack=none") == [1, 2, 3, 4, 5, 6]
    assert folder.trained_epochs("epochs=6") == []
    _, first, second = folder.runs()
    assert second.data.tags["trained_by"] == first.info.run_id
    (expected,) = reference.runs()
    assert folder.numbers(second) == reference.numbers(expected)
    assert folder.weights(second) == reference.weights(expected)


def test_a_run_waits_for_a_net_that_another_process_trains(folder, monkeypatch):
    folder.run("epochs=1", "attack=none")
    (net,) = (folder.path / "checkpoints" / "trained").iterdir()
    messages = []
    with contextlib.ExitStack() as other:

        def note(text):
            messages.append(text)
            if "waits for its net" in text:
                other.close()  # the other process is done

        monkeypatch.setattr(lines, "note", note)
        other.enter_context(locks.locked(net))  # as another process would hold it
        assert folder.trained_epochs("epochs=1") == []
    assert sum(" waits for its net, which another process trains" in text for text in messages) == 1


def test_only_the_newest_trained_nets_are_kept(folder):
    for seed in range(3):
        folder.run("epochs=1", "attack=none", f"seed={seed}", "keep_trained=2")
    kept = list((folder.path / "checkpoints" / "trained").iterdir())
    assert [file.suffix for file in kept] == [".npz"] * 2
    assert folder.trained_epochs("epochs=1", "seed=2", "keep_trained=2") == []
    assert folder.trained_epochs("epochs=1", "seed=0", "keep_trained=2") == [1]


# Running runs


def test_a_running_run_is_not_started_again(folder):
    def on_epoch(epoch, metrics):
        folder.run("epochs=2", "attack=none")

    message = r"this run is running already, as process .*resume=force"
    with pytest.raises(TrackingError, match=message):
        folder.run("epochs=2", "attack=none", on_epoch=on_epoch)


def interrupt_as(folder, owner):
    """Leave a run that its store takes to be running in a process."""
    folder.stop("epochs=2", "attack=none", after=1)
    (run,) = folder.runs()
    folder.store.client.update_run(run.info.run_id, "RUNNING")
    folder.store.client.set_tag(run.info.run_id, tag_names.OWNER, owner)


def test_a_run_whose_process_has_ended_continues(folder):
    interrupt_as(folder, f"{owner().rpartition(':')[0]}:1")  # its id belongs to a later process
    folder.run("epochs=2", "attack=none")
    assert folder.statuses() == ["FINISHED"]


def test_a_run_of_another_machine_continues_only_by_force(folder):
    interrupt_as(folder, "elsewhere:1:1")
    message = "this run is running already, as process elsewhere:1:1"
    with pytest.raises(TrackingError, match=message):
        folder.run("epochs=2", "attack=none")
    folder.run("epochs=2", "attack=none", "resume=force")
    assert folder.statuses() == ["FINISHED"]


# Fingerprints


def test_a_fingerprint_does_not_depend_on_locations(options, data_path):
    def fingerprint(*overrides, digest="d"):
        return run_fingerprint(options(*NET, f"dataset.path={data_path}", *overrides), digest)

    same = ["checkpoints=x", "tracking.uri=sqlite:///x.db", "dataset.path=x.npz"]
    same += ["objective=test/loss", "resume=false"]
    assert {fingerprint(override) for override in same} == {fingerprint()}
    other = ["epochs=7", "seed=1", "topology.width=17", "patience=3", "dataset.seed=1"]
    assert len({fingerprint(), fingerprint(digest="e"), *map(fingerprint, other)}) == 2 + len(other)


def test_a_digest_depends_on_the_data_alone(tmp_path, data_path):
    digests = []
    for number, factor in enumerate((1, 1, 0.5)):
        file = tmp_path / f"{number}.npz"
        with np.load(data_path) as arrays:
            np.savez(file, x=factor * arrays["x"], y=arrays["y"])
        keys = '"validation": 0.1, "test": 0.1, "seed": null, "names": [], "normalization": "none"'
        digests.append(load(f'{{"name": "arrays", "path": "{file}", {keys}}}', ())[1])
    assert digests[0] == digests[1] != digests[2]


# Patience; the learning rate falls from epoch to epoch


@pytest.mark.parametrize(
    ("monitor", "epochs"), [("max train/learning_rate", 3), ("min train/learning_rate", 5)]
)
def test_training_ends_after_epochs_without_a_better_monitor(folder, monitor, epochs):
    arguments = ("epochs=5", "attack=none", "patience=2", f"monitor={monitor}")
    assert folder.trained_epochs(*arguments) == list(range(1, epochs + 1))
    (run,) = folder.runs()
    logged = stores.history(folder.store, run.info.run_id, "train/loss")
    assert [step for step, _ in logged] == list(range(1, epochs + 2))  # and the kept epoch


def test_patience_counts_the_epochs_before_an_interruption(folder):
    arguments = ("epochs=5", "attack=none", "patience=2", "monitor=max train/learning_rate")
    folder.stop(*arguments, after=2)
    assert folder.trained_epochs(*arguments) == [3]
