"""SQLite stores: created once, also after an interrupted attempt, at any path."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from support.stores import history, open_in

from brnn.tracking import sqlite_uri
from brnn.tracking.store import open_store


@pytest.mark.slow
def test_a_store_whose_creation_was_interrupted_is_created_again(tmp_path):
    code = (
        "import sys; from brnn.tracking.store import open_store;"
        " open_store(uri=sys.argv[1], experiment='brnn')"
    )
    process = subprocess.Popen([sys.executable, "-c", code, f"sqlite:///{tmp_path}/mlflow.db"])
    half = tmp_path / "mlflow.db.new"
    while process.poll() is None and not (half.exists() and half.stat().st_size > 50_000):
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -9
    assert half.exists()
    assert not (tmp_path / "mlflow.db").exists()
    store = open_in(tmp_path)
    with store.run("one", {}, None) as run:
        run.metrics({"loss": 0.5}, 1)
    assert history(store, run.id, "loss") == [(1, 0.5)]
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db"}


FOLDERS = ["a%20b", "100%", "what?", "my runs #1", "lr=0.1,ä", "x%3Fy/z?timeout=1"]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_store_is_in_the_working_directory_whatever_its_name(name, tmp_path, monkeypatch):
    (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / name)
    store = open_store(uri="sqlite:///mlflow.db?timeout=5", experiment="brnn")
    with store.run("one", {}, None) as run:
        run.text("content", "note.txt")
    assert {path.name for path in Path().iterdir()} == {"mlflow.db", "mlartifacts"}
    assert [path.name for path in tmp_path.iterdir()] == [name.partition("/")[0]]
    monkeypatch.chdir(tmp_path)
    assert MlflowClient(store.uri).get_run(run.id).info.status == "FINISHED"  # as the UI opens it
    assert open_store(uri=store.uri, experiment="brnn").text(run.id, "note.txt") == "content"
    assert store.uri.endswith("mlflow.db?timeout=5")


def test_the_options_of_a_uri_are_not_part_of_the_file():
    assert sqlite_uri.path_of("sqlite:///x.db?timeout=5") == Path("x.db")
    assert sqlite_uri.path_of("sqlite:////a b/x.db") == Path("/a b/x.db")
    assert sqlite_uri.uri_of(Path("/a b/x.db")) == "sqlite:////a b/x.db"
    assert sqlite_uri.absolute("http://tracker:5000") == "http://tracker:5000"
