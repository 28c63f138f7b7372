"""A small run as a process, and the content of its store afterwards."""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
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


@dataclass(frozen=True)
class RunRecord:
    """A run as its store holds it.

    Attributes:
        status: MLflow's.
        values: by metric and step; without times, which differ from run to run.
        duplicates: how many values were logged more than once.
        weights: a digest of the weights of its model; None without a model.
    """

    status: str
    values: dict[tuple[str, int], float]
    duplicates: int
    weights: str | None


def start(folder: Path, *overrides: str) -> subprocess.Popen:
    """Start a command in a folder with data: 1,000 noisy images in ten classes."""
    folder.mkdir(exist_ok=True)
    if not (folder / "digits.npz").exists():
        rng = np.random.default_rng(0)
        y = np.arange(1000) % 10
        x = (rng.random((10, 28, 28))[y] + rng.random((1000, 28, 28))) / 2
        np.savez(folder / "digits.npz", x=x, y=y)
    command = [sys.executable, "-m", "brnn", *NET, *DATA, *overrides]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=folder, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


def read_runs(folder: Path, uri: str = "") -> list[RunRecord]:
    """Return all runs of a store, the oldest first.

    Args:
        folder: holds the store `mlflow.db`.
        uri: another store.
    """
    client = mlflow.MlflowClient(uri or f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("brnn")
    runs = client.search_runs(
        [experiment.experiment_id], order_by=["start_time ASC"], max_results=1000
    )
    return [
        RunRecord(run.info.status, *_values(client, run), _weights(client, run)) for run in runs
    ]


def summary(runs: list[RunRecord]) -> tuple[int, int, int]:
    """Return the number of children of a sweep, of those that finished, and of duplicates."""
    children = [run for run in runs if run.values]  # the parent has no values
    finished = sum(run.status == "FINISHED" for run in children)
    return len(children), finished, sum(run.duplicates for run in children)


def _values(client, run) -> tuple[dict[tuple[str, int], float], int]:
    histories = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
    values = {
        (key, metric.step): metric.value
        for key, history in histories.items()
        for metric in history
        if not key.startswith("time/") and not key.endswith("_per_second")
    }
    return values, sum(
        len(history) - len({metric.step for metric in history}) for history in histories.values()
    )


def _weights(client, run) -> str | None:
    if not client.list_artifacts(run.info.run_id, "model"):
        return None
    import keras

    model = keras.models.load_model(
        client.download_artifacts(run.info.run_id, "model/data/model.keras"),
        compile=False,
        safe_mode=True,
    )
    return hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()
