"""A server that goes away in the middle of a run loses nothing, nor does a kill while a store is made.

The server keeps its runs in PostgreSQL where that is installed, else in SQLite.
"""

import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from brnn.errors import AwayError, TrackingError
from brnn.sweeps import sweep
from brnn.tracking import records
from brnn.tracking.spool import emptied, keep
from brnn.tracking.store import open_store

POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
NO_POSTGRESQL = "no PostgreSQL in /usr/lib/postgresql: apt-get install postgresql"


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def database():
    """The URI of a PostgreSQL of our own, which refuses to run as root."""
    if not POSTGRESQL:
        pytest.skip(NO_POSTGRESQL)
    drop = (
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        if os.getuid() == 0
        else []
    )
    with tempfile.TemporaryDirectory() as folder:  # which that user can enter
        if drop:
            shutil.chown(folder, "nobody", "nogroup")
        keys = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        initdb = [
            POSTGRESQL[-1] / "initdb",
            "-D",
            "data",
            "-U",
            "brnn",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run([*drop, *initdb], check=True, **keys)
        port = free_port()
        address = ["-h", "127.0.0.1", "-p", str(port), "-k", folder]
        process = subprocess.Popen(
            [*drop, POSTGRESQL[-1] / "postgres", "-D", "data", "-F", *address], **keys
        )
        ready = [POSTGRESQL[-1] / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-q"]
        while subprocess.run(ready, check=False).returncode:
            assert process.poll() is None
            time.sleep(0.05)
        yield f"postgresql+psycopg2://brnn@127.0.0.1:{port}/postgres"
        process.send_signal(signal.SIGQUIT)  # at once
        process.wait()


class Server:
    """An MLflow server in a folder, which can be killed and started again."""

    def __init__(self, folder, backend):
        self.folder = folder
        self.backend = backend
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self):
        """Starts it, and waits until it answers."""
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--workers",
            "1",
            "--port",
            str(self.port),
        ]
        command += ["--backend-store-uri", self.backend]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | off, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + 120
        while time.monotonic() < end and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5)
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        raise RuntimeError((self.folder / "log").read_text())

    def kill(self):
        """Kills it and its workers."""
        os.killpg(self.process.pid, 9)
        self.process.wait()


@pytest.fixture(scope="module")
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    server = Server(
        folder,
        request.getfixturevalue("database") if POSTGRESQL else f"sqlite:///{folder}/mlflow.db",
    )
    server.start()
    yield server
    server.kill()


def history(store, run_id, key):
    return [(metric.step, metric.value) for metric in store.client.get_metric_history(run_id, key)]


def test_what_a_server_does_not_take_is_there_when_it_is_back(server, tmp_path, capsys):
    store = open_store(uri=server.uri, experiment="brnn")
    folder = tmp_path / "checkpoints"
    keys = {"uri": server.uri, "experiment": "brnn"}
    swept = OmegaConf.create({"tracking": keys, "checkpoints": str(folder), "resume": True})
    first, last = folder / "first.jsonl", folder / "last.jsonl"
    with store.run("first", {}, None, first) as one:
        one.metrics({"loss": 0.5}, 1)
        with store.run("last", {"seed": 3}, None, last) as other:
            other.metrics({"loss": 5.0}, 1)
            stack = ExitStack()
            parent, lost = stack.enter_context(sweep.parent(swept, ["seed=1,2"], [], {}))
            lost.append({"name": "seed=2", "status": "failed", "error": "nobody knows"})
            server.kill()
            with pytest.raises(AwayError):
                stack.close()
            one.metrics({"loss": 0.25}, 2)
            other.params({"epochs": 2})
            other.metrics({"loss": float("inf")}, 2)
            other.text("hello", "notes/a.txt")
            other.text("out of its folder", "../a.txt")
            other.tag({"trusted": True})
        assert last.exists()  # it ended, and nobody has heard of it
        began = time.monotonic()
        with pytest.raises(TrackingError, match=f"tracking.uri={server.uri} failed "):
            open_store(uri=server.uri, experiment="brnn")
        assert time.monotonic() - began < 15
        server.start()
        one.metrics({"loss": 0.125}, 3)
        assert not first.exists()
    table, errors = capsys.readouterr()
    assert "seed=2: nobody knows\n0 finished, 1 failed, 0 skipped\n" in table
    assert f"what it does not take is kept in {last}" in errors
    assert f"{last} is sent to it by: python -m brnn.sync" in errors
    assert history(store, one.id, "loss") == [(1, 0.5), (2, 0.25), (3, 0.125)]
    shutil.copy(last, folder / "twice.jsonl")
    done = subprocess.run(
        [sys.executable, "-m", "brnn", "sync", folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    aside, twice = last.with_suffix(".refused"), folder / "twice.refused"
    assert "Invalid artifact path: '..'" in done.stderr
    assert f"; put aside in {aside}" in done.stderr
    assert f"error: {aside} holds records that a server refused; " in done.stderr
    assert f"{last}: 5 records delivered" in done.stdout
    assert (done.returncode, set(folder.iterdir())) == (1, {aside, twice})
    assert json.loads(aside.read_text().splitlines()[1])["file"] == "../a.txt"
    run = store.client.get_run(other.id)
    assert "Invalid artifact path: '..'" in run.data.tags["refused"]
    assert (run.info.status, run.data.params, run.data.tags["trusted"]) == (
        "FINISHED",
        {"epochs": "2"},
        "true",
    )
    failed = store.client.get_run(parent.id)
    assert (failed.info.status, failed.data.tags["failed"]) == (
        "FAILED",
        '{"seed=2": "nobody knows"}',
    )
    assert history(store, other.id, "loss") == [
        (1, 5.0),
        (2, sys.float_info.max),
    ]  # MLflow's infinity
    assert [file.path for file in store.client.list_artifacts(other.id, "notes")] == ["notes/a.txt"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(
        uri=f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db", experiment="brnn"
    )


WRITE = """
import sys
from brnn.tracking.store import open_store

with open_store(uri=sys.argv[1], experiment="several").run("one of several", {}, None) as run:
    for step in range(20):
        run.metrics({f"m/{key}": 1000 * step + key for key in range(10)}, step)
"""


@pytest.mark.skipif(not POSTGRESQL, reason=NO_POSTGRESQL)
def test_processes_that_write_through_one_server_to_postgresql_lose_nothing(server, database):
    processes = [subprocess.Popen([sys.executable, "-c", WRITE, server.uri]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0] * 2
    store = open_store(uri=database, experiment="several")  # without the server
    runs = store.client.search_runs([store.experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 2
    for run in runs:
        for key in range(10):
            assert sorted(history(store, run.info.run_id, f"m/{key}")) == [
                (n, 1000.0 * n + key) for n in range(20)
            ]


def test_a_line_that_a_crash_cut_off_is_left_out(store, tmp_path):
    with store.run("one", {}, None, tmp_path / "unused.jsonl") as run:
        spool = tmp_path / "spool.jsonl"
        spool.write_text(
            f'{{"uri": "{store.uri}", "run": "{run.id}"}}\n{{"metrics": {{"loss": 1.0}}, "step": 1, "at": 5}}\n{{"met'
        )
        assert records.deliver(spool) == 1
        assert not spool.exists()
    assert history(store, run.id, "loss") == [(1, 1.0)]


def test_what_follows_a_line_that_a_crash_cut_off_is_kept_whole(store, tmp_path):
    with store.run("one", {}, None, tmp_path / "unused.jsonl") as run:
        spool, header = tmp_path / "spool.jsonl", {"uri": store.uri, "run": run.id}
        spool.write_text(json.dumps(header) + '\n{"met')
        keep(spool, header, {"metrics": {"loss": 1.0}, "step": 1, "at": 5})
        assert records.deliver(spool) == 1
    assert history(store, run.id, "loss") == [(1, 1.0)]


def test_records_are_kept_on_a_file_system_without_locks(tmp_path, monkeypatch, capsys):
    def unsupported(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    spool, header = tmp_path / "spool.jsonl", {"uri": "http://127.0.0.1:9", "run": "1"}
    for epoch in range(3):
        keep(spool, header, {"epoch": epoch})
    with emptied(spool) as kept:
        assert kept == (header, [{"epoch": epoch} for epoch in range(3)])
    (warning,) = capsys.readouterr().err.splitlines()
    assert f"{tmp_path} is on a file system without locks" in warning


APPEND = """
import sys, time
from pathlib import Path
from brnn.tracking.spool import keep

uri, run, spool = sys.argv[1:]
for number in range(60):
    time.sleep(0.005)
    record = {"metrics": {"loss": number}, "step": number, "at": 5}
    keep(Path(spool), {"uri": uri, "run": run}, record)
"""


def test_what_a_process_keeps_while_another_delivers_is_sent_once(store, tmp_path):
    spool = tmp_path / "spool.jsonl"
    with store.run("one", {}, None) as run:
        process = subprocess.Popen([sys.executable, "-c", APPEND, store.uri, run.id, spool])
        delivered = []
        while process.poll() is None or spool.exists():
            delivered.append(records.deliver(spool) if spool.exists() else 0)
            time.sleep(0.001)
    assert process.returncode == 0
    assert len(list(filter(None, delivered))) > 2
    assert sum(delivered) == 60
    assert sorted(history(store, run.id, "loss")) == [
        (number, float(number)) for number in range(60)
    ]


def test_a_store_whose_creation_was_killed_is_made_again(tmp_path):
    code = "import sys; from brnn.tracking.store import open_store as o; o(uri=sys.argv[1], experiment='brnn')"
    process = subprocess.Popen([sys.executable, "-c", code, f"sqlite:///{tmp_path}/mlflow.db"])
    half = tmp_path / "mlflow.db.new"
    while process.poll() is None and not (half.exists() and half.stat().st_size > 50_000):
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -9
    assert half.exists()
    assert not (tmp_path / "mlflow.db").exists()
    store = open_store(uri=f"sqlite:///{tmp_path}/mlflow.db", experiment="brnn")
    with store.run("one", {}, None) as run:
        run.metrics({"loss": 0.5}, 1)
    assert history(store, run.id, "loss") == [(1, 0.5)]
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db"}
