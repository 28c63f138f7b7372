"""Stores: values are stored, also by several processes at once; a failing store is one line."""

import contextlib
import errno
import fcntl
import json
import math
import multiprocessing
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import yaml
from mlflow import MlflowClient
from support.stores import all_runs, history, open_in

from brnn.errors import PrunedError, TrackingError
from brnn.tracking import records, tag_names
from brnn.tracking.dataset import described
from brnn.tracking.passwords import with_password
from brnn.tracking.status import is_of_launch
from brnn.tracking.store import open_store
from brnn.tracking.sweep_job import SweepJob

PROCESSES, BATCHES, KEYS = 4, 25, 20  # 500 values from each process


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def store(folder):
    """A new store, by a path relative to the working directory of the moment."""
    with contextlib.chdir(folder):
        return open_store(uri="sqlite:///new/mlflow.db", experiment="tests")


@pytest.fixture(scope="module")
def stored(store):
    """Return a function from a run to what the store holds of it."""
    return lambda run: store.client.get_run(run.id)


# Opening


def test_the_path_of_a_store_does_not_depend_on_the_working_directory(
    store, folder, tmp_path, monkeypatch
):
    assert store.uri == f"sqlite:///{folder}/new/mlflow.db"
    monkeypatch.chdir(tmp_path)
    with store.run("one", {}, None) as run:
        run.text("content", "note.txt")
    assert list(tmp_path.iterdir()) == []
    assert len(list((folder / "new" / "mlartifacts").rglob("note.txt"))) == 1


def test_an_experiment_is_created_once(store):
    again = open_store(uri=store.uri, experiment="tests")
    other = open_store(uri=store.uri, experiment="others")
    assert again.experiment_id == store.experiment_id != other.experiment_id


def log_500(uri, barrier):
    """Open a store at the same moment as other processes, and log to a run."""
    barrier.wait()
    with open_store(uri=uri, experiment="tests").run("parallel", {}, None) as run:
        for step in range(BATCHES):
            run.metrics({f"m/{key}": 1000 * step + key for key in range(KEYS)}, step)


def contents(path):
    """Return schema and rows of a SQLite file, without times and the order of constraints."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        schema = dict(database.execute("SELECT name, sql FROM sqlite_master"))
        names = [name for name, sql in schema.items() if (sql or "").startswith("CREATE TABLE")]
        rows = {name: database.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}
    words = {name: sorted(re.findall(r"\w+", sql or "")) for name, sql in schema.items()}
    return words, {
        name: re.sub(r"\b\d{13}\b", "time", repr(values)) for name, values in rows.items()
    }


def test_a_new_store_equals_one_that_mlflow_creates_and_nothing_is_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    open_in(tmp_path)
    client = MlflowClient(f"sqlite:///{tmp_path}/plain.db")
    client.create_experiment("brnn", artifact_location=(tmp_path / "mlartifacts").as_uri())
    assert contents(tmp_path / "mlflow.db") == contents(tmp_path / "plain.db")
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", "plain.db"}


def test_a_store_is_opened_on_a_file_system_without_locks(tmp_path, monkeypatch, capsys):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    open_in(tmp_path)
    (warning,) = capsys.readouterr().err.splitlines()
    assert f"{tmp_path} is on a file system without locks" in warning


@pytest.mark.slow
def test_processes_that_open_a_new_store_at_once_lose_nothing(tmp_path):
    uri, context = f"sqlite:///{tmp_path}/mlflow.db", multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    processes = [context.Process(target=log_500, args=(uri, barrier)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    opened = open_store(uri=uri, experiment="tests")
    runs = all_runs(opened)
    assert [run.info.status for run in runs] == ["FINISHED"] * PROCESSES
    for run in runs:
        for key in range(KEYS):
            expected = [(step, 1000 * step + key) for step in range(BATCHES)]
            assert sorted(history(opened, run.info.run_id, f"m/{key}")) == expected


# Logging


def test_a_run_stores_what_is_logged(store, stored):
    with store.run("named", {"seed": 3, "masked": True, "plain": "text"}, None) as run:
        run.params({"epochs": 5, "note": "ä", "nothing": None, "hidden": [1, 2]})
        run.metrics({"loss": 0.5}, step=1)
        run.metrics({"loss": 0.25, "bad": math.nan}, step=2)
        run.tag({"late": 1.5})
    run_ = stored(run)
    assert run_.info.run_name == "named"
    assert run_.data.params == {"epochs": "5", "note": "ä", "nothing": "null", "hidden": "[1, 2]"}
    expected = {"seed": "3", "masked": "true", "plain": "text", "late": "1.5"}
    assert {key: run_.data.tags[key] for key in expected} == expected
    assert history(store, run.id, "loss") == [(1, 0.5), (2, 0.25)]
    assert math.isnan(run_.data.metrics["bad"])


@pytest.mark.parametrize(
    ("value", "logged"),
    [
        (np.float32(0.7798), 0.7798),
        (float(np.float32(0.7798)), 0.7798),
        (0.7798, 0.7798),
        (1 / 3, 1 / 3),  # a float64
        (2.0**40, 2.0**40),  # whole, and a float32 too
        (np.float32(1e-30), 1e-30),
        (-math.inf, -math.inf),
        (1e300, 1e300),
        (3, 3.0),
    ],
)
def test_a_float32_is_logged_as_the_decimal_that_it_stands_for(value, logged):
    assert records.as_decimals({"m": value}) == {"m": logged}


def test_a_data_set_is_an_input_of_the_run_once(store, stored):
    x, y = np.zeros((5, 28, 28), "uint8"), np.zeros(5, "int32")
    splits = {"train": (x, y), "test": (x[:2], y[:2])}
    entry = described("mnist", "0123456789" * 5, "idx", {"name": "mnist"}, splits)
    with store.run("fed", {}, None) as run:
        run.dataset(entry)
        run.dataset(entry)
    (logged,) = stored(run).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == ("mnist", ("0123456789" * 5)[:36])
    assert json.loads(logged.dataset.profile) == {"train": 5, "test": 2}
    features = json.loads(json.loads(logged.dataset.schema)["mlflow_tensorspec"]["features"])
    assert features[0]["tensor-spec"] == {"dtype": "uint8", "shape": [-1, 28, 28]}


def test_more_values_than_a_request_holds_are_stored(store, stored):
    values = {f"layer_{number}/kernel": number for number in range(1200)}
    with store.run("many", {}, None) as run:
        run.metrics(values, 1)
        run.params(values)
        run.tag(values)
    data = stored(run).data
    assert data.metrics == values
    assert data.params == {key: str(value) for key, value in values.items()}
    assert values.keys() <= data.tags.keys()


def transactions(store):
    """Return how often the file of a store was written, from the header of every SQLite file."""
    return int.from_bytes(Path(store.uri.removeprefix("sqlite:///")).read_bytes()[24:28], "big")


def test_the_values_of_an_epoch_are_written_together(store):
    with store.run("batched", {}, None) as run:
        before = transactions(store)
        run.metrics({f"m/{number}": number for number in range(200)}, 1)
        assert 1 <= transactions(store) - before < 5


def test_a_text_that_is_too_long_for_a_store_is_cut(store, stored):
    with store.run("long", {"error": "x" * 9000}, None) as run:
        run.params({"p": "y" * 9000})
    data = stored(run).data
    assert len(data.tags["error"]) == records.TAG
    assert len(data.params["p"]) == records.PARAMETER


def test_a_long_name_is_cut_and_differs_from_other_long_names(store, stored):
    names = ["seed=1 " * 100 + end for end in ("a", "b")]
    cut = []
    for name in names:
        with store.run(name, {}, None) as run:
            data = stored(run)
        cut.append(data.info.run_name)
        assert data.data.tags[tag_names.NOTE] == name
    assert cut[0] != cut[1]
    assert all(name.startswith("seed=1 seed=1") and len(name) <= 250 for name in cut)
    assert [name[-10:] for name in cut] == ["d=1 seed=1 a"[-10:], "d=1 seed=1 b"[-10:]]
    assert records.as_name("x" * 250) == "x" * 250


def test_passwords_are_stored_nowhere(store, stored):
    secret = "http://me:s3cret@host"
    with suppress(ValueError), store.run(f"uri={secret}", {"sweep": secret}, None) as run:
        run.params({"uri": secret, "list": [secret]})
        raise ValueError(secret)
    assert "s3cret" not in str(stored(run).to_dictionary())
    assert stored(run).info.run_name == "uri=http://me:***@host"


@pytest.mark.parametrize("uri", ["http://me:s3cret@127.0.0.1:9", "unknown://me:s3cret@host"])
def test_an_error_of_a_store_has_no_password(uri):
    with pytest.raises(TrackingError, match=r"me:\*\*\*@") as error:
        open_store(uri=uri, experiment="tests")
    assert "s3cret" not in str(error.value)


def test_a_masked_password_is_taken_from_the_environment(monkeypatch):
    masked = "http://me:***@127.0.0.1:9"
    with pytest.raises(TrackingError, match="is not stored; set MLFLOW_TRACKING_URI to the URI"):
        open_store(uri=masked, experiment="tests")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other:pw@127.0.0.1:9")
    with pytest.raises(TrackingError, match="is not stored"):
        with_password(masked)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:pw@127.0.0.1:9")
    assert with_password(masked) == "http://me:pw@127.0.0.1:9"
    assert with_password(masked, "http://me:known@127.0.0.1:9") == "http://me:known@127.0.0.1:9"
    assert with_password("http://127.0.0.1:9") == "http://127.0.0.1:9"


def test_artifacts_are_stored_under_their_paths(store, tmp_path):
    with store.run("artifacts", {}, None) as run:
        run.text(yaml.safe_dump({"a": 1}), "config.yaml")
        run.file(b"\x89PNG", "figures/curve.png")
    assert yaml.safe_load(store.text(run.id, "config.yaml")) == {"a": 1}
    figure = store.client.download_artifacts(run.id, "figures/curve.png", tmp_path)
    assert Path(figure).read_bytes() == b"\x89PNG"


def test_children_have_the_id_of_their_parent_and_are_sorted_by_job(store, stored):
    with store.run("parent", {}, None) as parent:
        for number, name in ((1, "second"), (0, "first")):
            with store.run(name, {}, SweepJob(parent.id, "command", number=number)) as child:
                assert stored(child).data.tags[tag_names.PARENT] == parent.id
    assert [child.info.run_name for child in store.children(parent.id)] == ["first", "second"]
    assert store.children("nobody") == []


def test_a_job_is_tagged_with_its_launch_and_number(store, stored):
    with store.run("single", {}, None) as single:
        pass
    with store.run("job", {}, SweepJob(single.id, "command", number=3)) as job:
        pass
    store.reuse(single.id, SweepJob("another", "command", number=5))
    tags = stored(job).data.tags
    assert [tags[key] for key in (tag_names.LAUNCH, tag_names.JOB)] == ["command", "3"]
    assert stored(single).data.tags[f"{tag_names.REUSED}.another"] == "5"
    assert [is_of_launch(stored(job), launch) for launch in ("command", "")] == [True, False]
    assert not is_of_launch(stored(single), "")


def test_the_environment_does_not_make_a_run_a_job(store, stored, monkeypatch):
    for name in ("LAUNCH", "JOB", "SWEEP", "TRIAL"):
        monkeypatch.setenv(f"BRNN_{name}", "7")
    with store.run("single", {}, None) as run:
        pass
    tags = stored(run).data.tags
    assert tag_names.JOB not in tags
    assert tags[tag_names.LAUNCH] == ""


# How a run ends


def test_a_run_is_running_until_it_is_finished(store, stored):
    with store.run("one", {}, None) as run:
        assert stored(run).info.status == "RUNNING"
    assert stored(run).info.status == "FINISHED"
    assert "error" not in stored(run).data.tags


def test_a_run_that_raises_has_failed_with_its_error_as_a_tag(store, stored):
    with pytest.raises(ValueError, match="too bad"), store.run("one", {}, None) as run:
        raise ValueError("too bad")
    assert stored(run).info.status == "FAILED"
    assert stored(run).data.tags["error"] == "ValueError: too bad"


def test_a_pruned_run_is_killed_with_the_reason_as_a_tag(store, stored):
    with pytest.raises(PrunedError), store.run("one", {}, None) as run:
        raise PrunedError("stopped after epoch 3")
    assert stored(run).info.status == "KILLED"
    assert stored(run).data.tags[tag_names.PRUNED] == "stopped after epoch 3"


def test_a_run_that_is_opened_again_logs_only_what_is_new(store, stored):
    with suppress(ValueError), store.run("again", {}, None) as run:
        run.params({"epochs": 5})
        run.metrics({"loss": 0.5}, 1)
        raise ValueError("bad")
    with store.run("ignored", {}, None, earlier=stored(run)) as again:
        again.params({"epochs": 6, "seed": 1})
        again.metrics({"loss": 0.4}, 1)
        again.metrics({"loss": 0.25}, 2)
    assert again.id == run.id
    data = stored(run).data
    assert data.params == {"epochs": "5", "seed": "1"}
    assert history(store, run.id, "loss") == [(1, 0.5), (2, 0.25)]
    assert "error" not in data.tags
    assert stored(run).info.status == "FINISHED"


def test_a_run_that_is_interrupted_is_killed(store, stored):
    with pytest.raises(KeyboardInterrupt), store.run("one", {}, None) as run:
        raise KeyboardInterrupt
    assert stored(run).info.status == "KILLED"


# Stores that fail


def refused(uri, advice="check that it can be opened and written, and has room"):
    """Return the one line of the error that opening a store raises."""
    with pytest.raises(TrackingError) as error:
        open_store(uri=uri, experiment="tests")
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"tracking.uri={uri} failed (")
    assert message.endswith(f"; {advice}")
    return message


def test_a_store_in_a_folder_that_cannot_be_created_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "File exists" in refused(f"sqlite:///{tmp_path}/file/mlflow.db")


def test_a_file_that_is_not_a_database_is_refused(tmp_path):
    (tmp_path / "mlflow.db").write_text("not a database, but long enough for a header " * 10)
    assert "file is not a database" in refused(f"sqlite:///{tmp_path}/mlflow.db")


def test_a_folder_in_place_of_a_store_is_refused(tmp_path):
    assert "unable to open database file" in refused(f"sqlite:///{tmp_path}")


def test_a_server_that_does_not_answer_is_refused(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    advice = "check the address, and that it answers"
    assert "Connection refused" in refused("http://127.0.0.1:9", advice)


def test_a_database_that_cannot_be_reached_is_refused():
    pytest.importorskip("psycopg2")
    assert "Connection refused" in refused("postgresql+psycopg2://nobody@127.0.0.1:9/none")


def test_a_run_waits_for_a_locked_database(store, stored):
    with store.run("waiting", {}, None) as run:
        lock = sqlite3.connect(
            store.uri.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False
        )
        with contextlib.closing(lock):
            lock.execute("BEGIN EXCLUSIVE")
            release = threading.Timer(0.5, lock.execute, ["COMMIT"])
            release.start()
            run.metrics({"loss": 0.5}, 1)
            assert not release.is_alive()
    assert stored(run).data.metrics == {"loss": 0.5}


def test_an_unknown_kind_of_store_is_refused():
    assert "unsupported URI" in refused("unknown://store")


FULL = """
import os, resource, sys
from brnn.errors import TrackingError
from brnn.tracking.store import open_store

def fill(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

uri, when = sys.argv[1:]
if when == "new":
    fill(65536)
try:
    store = open_store(uri=uri, experiment="tests")
    with store.run("full", {}, None) as run:
        fill(os.path.getsize(uri.removeprefix("sqlite:///")))
        for step in range(100):
            run.metrics({f"m/{key}": key for key in range(1000)}, step)
except TrackingError as error:
    print(error)
"""


@pytest.mark.parametrize("when", ["new", "later"])
def test_a_full_disk_is_one_line_and_no_traceback(store, tmp_path, when):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    if when == "later":
        shutil.copy(store.uri.removeprefix("sqlite:///"), tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FULL, uri, when], capture_output=True, text=True, check=False
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"tracking.uri={uri} failed (")
    assert "has room" in line
    assert done.stderr == ""
