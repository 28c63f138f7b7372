"""What the studies of this folder share: a small command line run, and what it left in its store."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import mlflow
import numpy as np

NET = [
    "precision=binarynet",
    "estimator=ste",
    "topology=mlp",
    "topology.width=32",
    "topology.depth=2",
    "keep=best",
]
DATA = ["dataset=arrays", "dataset.path=digits.npz", "batch_size=50"]


def begin(place: Path, *overrides: str) -> subprocess.Popen:
    """Starts a command in a folder, which gets 1,000 noisy images in ten classes."""
    place.mkdir(exist_ok=True)
    if not (place / "digits.npz").exists():
        rng = np.random.default_rng(0)
        y = np.arange(1000) % 10
        np.savez(
            place / "digits.npz",
            x=(rng.random((10, 28, 28))[y] + rng.random((1000, 28, 28))) / 2,
            y=y,
        )
    command = [sys.executable, "-m", "brnn", *NET, *DATA, *overrides]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=place, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


def describe(place: Path, uri: str = "") -> list:
    """Of each run, oldest first: status, metrics by step but for times, how many are twice, a digest of the weights."""
    client = mlflow.MlflowClient(uri or f"sqlite:///{place}/mlflow.db")
    experiment = client.get_experiment_by_name("brnn")
    runs = client.search_runs(
        [experiment.experiment_id], order_by=["start_time ASC"], max_results=1000
    )
    return [(run.info.status, *_values(client, run), _weights(client, run)) for run in runs]


def _values(client, run):
    histories = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
    values = {
        (key, one.step): one.value
        for key, history in histories.items()
        for one in history
        if not key.startswith("time/") and not key.endswith("_per_second")
    }
    return values, sum(
        len(history) - len({one.step for one in history}) for history in histories.values()
    )


def _weights(client, run):
    if not client.list_artifacts(run.info.run_id, "model"):
        return None
    import keras

    model = keras.models.load_model(
        client.download_artifacts(run.info.run_id, "model/data/model.keras"),
        compile=False,
        safe_mode=True,
    )
    return hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()
