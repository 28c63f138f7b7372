"""Stores: opened, also by several processes at once; a failing store is one line."""

import contextlib
import errno
import fcntl
import multiprocessing
import re
import shutil
import sqlite3
import subprocess
import sys

import pytest
from mlflow import MlflowClient
from support.stores import all_runs, history, open_in

from brnn.errors import TrackingError
from brnn.tracking.passwords import with_password
from brnn.tracking.store import open_store

PROCESSES, BATCHES, KEYS = 4, 25, 20  # 500 values from each process


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


# Passwords


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
