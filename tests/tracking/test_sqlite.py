"""SQLite stores: created once, also after an interrupted attempt."""

import subprocess
import sys
import time

import pytest
from support.stores import history, open_in


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
