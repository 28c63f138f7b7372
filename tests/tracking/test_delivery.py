"""Spools lose nothing while a server is away, or a process crashes.

The server keeps its runs in PostgreSQL if that is installed, else in SQLite.
"""

import base64
import io
import json
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from omegaconf import OmegaConf
from support.servers import NO_POSTGRESQL, POSTGRESQL, MlflowServer, behind_password, postgresql
from support.stores import all_runs, history, open_in

from brnn.errors import AwayError, TrackingError
from brnn.sweeps import sweep
from brnn.tracking.delivery import deliver, refused_path
from brnn.tracking.run import Run
from brnn.tracking.spool import append
from brnn.tracking.store import Store, open_store


@pytest.fixture(scope="module")
def database():
    """The URI of a PostgreSQL server."""
    if not POSTGRESQL:
        pytest.skip(NO_POSTGRESQL)
    with postgresql() as uri:
        yield uri


@pytest.fixture(scope="module")
def server(request, tmp_path_factory):
    """An MLflow server that tests may kill and start again."""
    folder = tmp_path_factory.mktemp("server")
    backend = f"sqlite:///{folder}/mlflow.db"
    if POSTGRESQL:
        backend = request.getfixturevalue("database")
    server = MlflowServer(folder, backend)
    server.start()
    yield server
    server.kill()


@dataclass
class Interruption:
    """Runs during which a server was killed, and what the command line printed."""

    store: Store
    run: Run  # still open when the server was back
    ended: Run
    parent: Run
    folder: Path
    out: str
    err: str

    @property
    def spool(self) -> Path:
        """The spool of the run that ended without the server."""
        return self.folder / "ended.jsonl"


@pytest.fixture(scope="module")
def interruption(server, tmp_path_factory):
    """A server that is killed while two runs and a sweep are open, and started during the first."""
    out, err = io.StringIO(), io.StringIO()
    folder = tmp_path_factory.mktemp("work") / "checkpoints"
    with redirect_stdout(out), redirect_stderr(err):
        keys = {"uri": server.uri, "experiment": "brnn"}
        store = open_store(**keys)
        hydra = {"runtime": {"config_sources": []}, "overrides": {"hydra": ["hydra.mode=MULTIRUN"]}}
        swept = OmegaConf.create(
            {"tracking": keys, "checkpoints": str(folder), "resume": True, "hydra": hydra}
        )
        with store.run("open", {}, None, folder / "open.jsonl") as run:
            run.metrics({"loss": 0.5}, 1)
            with store.run("ended", {"seed": 3}, None, folder / "ended.jsonl") as ended:
                ended.metrics({"loss": 5.0}, 1)
                stack = ExitStack()
                sweep_ = stack.enter_context(sweep.parent_run(swept, ["seed=1,2"], [], {}, 2))
                parent, _, lost = sweep_
                lost.append({"name": "seed=2", "status": "failed", "error": "unknown"})
                server.kill()
                with pytest.raises(AwayError):
                    stack.close()
                run.metrics({"loss": 0.25}, 2)
                ended.params({"epochs": 2})
                ended.metrics({"loss": float("inf")}, 2)
                ended.text("hello", "notes/a.txt")
                ended.text("outside the artifacts", "../a.txt")
                ended.tag({"trusted": True})
            with pytest.raises(TrackingError, match=f"tracking.uri={server.uri} failed "):
                open_store(**keys)
            server.start()
            run.metrics({"loss": 0.125}, 3)
    return Interruption(store, run, ended, parent, folder, out.getvalue(), err.getvalue())


@pytest.mark.slow
def test_a_run_delivers_its_spool_as_soon_as_the_server_answers(interruption):
    run = interruption.run
    assert not (interruption.folder / "open.jsonl").exists()
    assert history(interruption.store, run.id, "loss") == [(1, 0.5), (2, 0.25), (3, 0.125)]


@pytest.mark.slow
def test_warnings_state_where_records_are_kept_and_how_to_deliver_them(interruption):
    spool, folder = interruption.spool, interruption.folder
    assert f"until it answers, records are kept in {spool}" in interruption.err
    assert f"deliver {spool} later with: brnn sync {folder}" in interruption.err


@pytest.mark.slow
def test_a_sweep_prints_its_table_without_the_server(interruption):
    assert "seed=2: unknown\n0 finished, 1 failed, 0 skipped\n" in interruption.out


@pytest.mark.slow
def test_sync_delivers_once_what_the_server_accepts_and_keeps_the_rest(interruption):
    folder, spool, store = interruption.folder, interruption.spool, interruption.store
    shutil.copy(spool, folder / "twice.jsonl")
    sync = [sys.executable, "-m", "brnn", "sync", folder]
    done = subprocess.run(sync, capture_output=True, text=True, check=False)
    refused = refused_path(spool)
    assert f"; the record is moved to {refused}" in done.stderr
    assert f"error: {refused} holds records that a server refused; " in done.stderr
    assert f"{spool}: 5 records delivered" in done.stdout
    assert done.returncode == 1
    assert set(folder.iterdir()) == {refused, folder / "twice.refused"}
    assert json.loads(refused.read_text().splitlines()[1])["file"] == "../a.txt"
    delivered = store.client.get_run(interruption.ended.id)
    assert "Invalid artifact path: '..'" in delivered.data.tags["refused"]
    assert delivered.info.status == "FINISHED"
    assert delivered.data.params == {"epochs": "2"}
    assert delivered.data.tags["trusted"] == "true"
    infinity = sys.float_info.max  # in MLflow
    assert history(store, interruption.ended.id, "loss") == [(1, 5.0), (2, infinity)]
    notes = store.client.list_artifacts(interruption.ended.id, "notes")
    assert [file.path for file in notes] == ["notes/a.txt"]
    parent = store.client.get_run(interruption.parent.id)
    assert parent.info.status == "FAILED"
    assert parent.data.tags["failed"] == '{"seed=2": "unknown"}'


@pytest.fixture(scope="module")
def store(folder_with_store):
    return open_in(folder_with_store("store"))


WRITE = """
import sys
from brnn.tracking.store import open_store

with open_store(uri=sys.argv[1], experiment="several").run("parallel", {}, None) as run:
    for step in range(20):
        run.metrics({f"m/{key}": 1000 * step + key for key in range(10)}, step)
"""


@pytest.mark.slow
@pytest.mark.skipif(not POSTGRESQL, reason=NO_POSTGRESQL)
def test_processes_that_write_through_one_server_to_postgresql_lose_nothing(server, database):
    processes = [subprocess.Popen([sys.executable, "-c", WRITE, server.uri]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0] * 2
    store = open_store(uri=database, experiment="several")  # without the server
    runs = all_runs(store)
    assert [run.info.status for run in runs] == ["FINISHED"] * 2
    for run in runs:
        for key in range(10):
            assert sorted(history(store, run.info.run_id, f"m/{key}")) == [
                (n, 1000.0 * n + key) for n in range(20)
            ]


def test_an_incomplete_last_line_is_omitted(store, tmp_path):
    with store.run("one", {}, None, tmp_path / "unused.jsonl") as run:
        spool = tmp_path / "spool.jsonl"
        spool.write_text(
            f'{{"uri": "{store.uri}", "run": "{run.id}"}}\n'
            '{"metrics": {"loss": 1.0}, "step": 1, "at": 5}\n{"met'
        )
        assert deliver(spool) == 1
        assert not spool.exists()
    assert history(store, run.id, "loss") == [(1, 1.0)]


def test_records_after_an_incomplete_line_are_complete(store, tmp_path):
    with store.run("one", {}, None, tmp_path / "unused.jsonl") as run:
        spool, header = tmp_path / "spool.jsonl", {"uri": store.uri, "run": run.id}
        spool.write_text(json.dumps(header) + '\n{"met')
        append(spool, header, {"metrics": {"loss": 1.0}, "step": 1, "at": 5})
        assert deliver(spool) == 1
    assert history(store, run.id, "loss") == [(1, 1.0)]


# Passwords


@pytest.fixture(scope="module")
def served(server):
    return open_store(uri=server.uri, experiment="brnn")


@pytest.fixture(scope="module")
def guarded(server):
    """Host and port of the server behind a password and a token."""
    basic = "Basic " + base64.b64encode(b"me:s3cret").decode()
    with behind_password(server.uri, basic, "Bearer t0ken") as address:
        yield address


@pytest.mark.parametrize(
    ("user", "variables"),
    [
        ("me:s3cret@", {}),
        ("", {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "s3cret"}),
        ("", {"MLFLOW_TRACKING_TOKEN": "t0ken"}),
    ],
)
def test_a_server_is_used_with_a_password(served, guarded, monkeypatch, user, variables):
    uri = f"http://{user}{guarded}"
    if variables:
        with pytest.raises(TrackingError, match="401"):
            open_store(uri=uri, experiment="brnn")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with open_store(uri=uri, experiment="brnn").run("guarded", {}, None) as run:
        run.metrics({"loss": 1.0}, 1)
        run.text("content", "note.txt")
    assert history(served, run.id, "loss") == [(1, 1.0)]


def test_a_spool_has_no_password_and_is_delivered_with_that_of_the_environment(
    served, guarded, tmp_path, monkeypatch
):
    uri, spool = f"http://me:s3cret@{guarded}", tmp_path / "spool.jsonl"
    away = MlflowClient("http://me:s3cret@127.0.0.1:9")
    with served.run("spooled", {}, None) as run:
        Run(away, run.id, spool, params={}, history={}).metrics({"loss": 2.0}, 1)
        assert "s3cret" not in spool.read_text()
        spool.write_text(spool.read_text().replace("127.0.0.1:9", guarded))
        with pytest.raises(TrackingError, match=f"the password of http://me:...@{guarded} is not"):
            deliver(spool)
        assert spool.exists()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert deliver(spool) == 1
    assert history(served, run.id, "loss") == [(1, 2.0)]


def test_a_long_name_is_stored_by_the_server_and_by_its_database(server):
    for uri in {server.uri, server.backend}:
        store = open_store(uri=uri, experiment="e" * 250)
        with store.run("seed=1 " * 200, {"sweep": "s" * 9000}, None) as run:
            run.params({"p": "y" * 9000})
        assert store.client.get_run(run.id).info.run_name.startswith("seed=1 seed=1")


APPEND = """
import sys, time
from pathlib import Path
from brnn.tracking.run import Run
from brnn.tracking.spool import append

uri, run, spool = sys.argv[1:]
for number in range(60):
    time.sleep(0.005)
    record = {"metrics": {"loss": number}, "step": number, "at": 5}
    append(Path(spool), {"uri": uri, "run": run}, record)
"""


def test_records_appended_during_a_delivery_are_sent_once(store, tmp_path):
    spool = tmp_path / "spool.jsonl"
    with store.run("one", {}, None) as run:
        process = subprocess.Popen([sys.executable, "-c", APPEND, store.uri, run.id, spool])
        delivered = []
        while process.poll() is None or spool.exists():
            delivered.append(deliver(spool) if spool.exists() else 0)
            time.sleep(0.001)
    assert process.returncode == 0
    assert len(list(filter(None, delivered))) > 2
    assert sum(delivered) == 60
    assert sorted(history(store, run.id, "loss")) == [
        (number, float(number)) for number in range(60)
    ]
