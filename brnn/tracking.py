"""Tracking: the only module that knows MLflow.

Everything goes through the client with an explicit run, so that nothing is left in the environment, and a
job of a sweep needs only the identifier of its parent.
"""

import fcntl
import json
import logging
import os
import sqlite3
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # seconds of patience with a server, not minutes

import mlflow
import numpy as np
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

for name in ("mlflow", "alembic"):
    logging.getLogger(name).setLevel(logging.WARNING)
logging.getLogger("mlflow.store").setLevel(logging.CRITICAL)  # what a store logs below, it raises too

SQLITE = "sqlite:///"
PARENT = "mlflow.parentRunId"
LONGEST = 5000  # characters of a parameter or tag that every store takes


class TrackingError(RuntimeError):
    """The tracking store cannot be opened or written."""


class Store:
    """An experiment in a tracking store."""

    def __init__(self, client: mlflow.MlflowClient, experiment_id: str, uri: str):
        self.client = client
        self.experiment_id = experiment_id
        self.uri = uri

    @contextmanager
    def run(self, name: str, tags: dict, parent: str | None):
        """A new run, which ends as finished, or as failed with its error as a tag, or as killed by Ctrl-C."""
        run = Run(self, self.start(name, tags, parent))
        try:
            yield run
        except KeyboardInterrupt:
            run.end("KILLED")
            raise
        except BaseException as error:
            run.tag({"error": f"{type(error).__name__}: {error}"})
            run.end("FAILED")
            raise
        run.end("FINISHED")

    def start(self, name: str, tags: dict, parent: str | None) -> str:
        """Creates a run and returns its identifier."""
        tags = tags | ({PARENT: parent} if parent else {})
        with _failing_clearly(self.uri):
            return self.client.create_run(self.experiment_id, run_name=name, tags=_texts(tags)).info.run_id

    def net(self, run_id: str) -> tuple[dict, list]:
        """The configuration and the weights of the net that a run logged."""
        import keras
        import yaml

        with tempfile.TemporaryDirectory() as folder, _failing_clearly(self.uri):
            options = yaml.safe_load(Path(self.client.download_artifacts(run_id, "config.yaml", folder)).read_text())
            saved = Path(self.client.download_artifacts(run_id, "model", folder), "data", "model.keras")
            return options, keras.models.load_model(saved).get_weights()

    def text(self, run_id: str, path: str) -> str:
        """A text artifact of a run."""
        with tempfile.TemporaryDirectory() as folder, _failing_clearly(self.uri):
            return Path(self.client.download_artifacts(run_id, path, folder)).read_text()

    def children(self, parent: str) -> list:
        """The runs of a sweep, oldest first."""
        found, token = [], None
        while True:
            page = self.client.search_runs(
                [self.experiment_id], f"tags.`{PARENT}` = '{parent}'", order_by=["start_time ASC"], page_token=token
            )
            found, token = found + list(page), page.token
            if not token:
                return found


class Run:
    """One run of the store; values are written in batches."""

    def __init__(self, store: Store, run_id: str):
        self.store = store
        self.client = store.client
        self.id = run_id

    def params(self, values: dict) -> None:
        """Logs parameters."""
        self._batch(params=[Param(key, text) for key, text in _texts(values).items()])

    def metrics(self, values: dict[str, float], step: int) -> None:
        """Logs metrics at one step."""
        now = int(time.time() * 1000)
        self._batch(metrics=[Metric(key, float(value), now, step) for key, value in values.items()])

    def tag(self, values: dict) -> None:
        """Sets tags."""
        self._batch(tags=[RunTag(key, text) for key, text in _texts(values).items()])

    def text(self, content: str, path: str) -> None:
        """Writes a text artifact."""
        self.file(content.encode(), path)

    def file(self, content: bytes, path: str) -> None:
        """Writes an artifact."""
        with tempfile.TemporaryDirectory() as folder, _failing_clearly(self.store.uri):
            local = Path(folder, Path(path).name)
            local.write_bytes(content)
            self.client.log_artifact(self.id, str(local), str(Path(path).parent) if "/" in path else None)

    def model(self, model, requirements: list[str]) -> None:
        """Logs a Keras model that `mlflow.pyfunc.load_model("runs:/<id>/model")` loads.

        A model of Keras' own layers needs nothing else; one with cells of ours takes this package's code along.
        """
        import mlflow.keras
        from mlflow.models import Model, ModelSignature

        signature = ModelSignature(_schema(model.inputs), _schema(model.outputs))
        with tempfile.TemporaryDirectory() as folder, _failing_clearly(self.store.uri):
            if '"brnn>' in model.to_json():
                model.save(f"{folder}/model.keras")
                mlflow.pyfunc.save_model(
                    f"{folder}/model",
                    loader_module="brnn.cells",
                    data_path=f"{folder}/model.keras",
                    code_paths=[str(Path(__file__).parent)],
                    mlflow_model=Model(signature=signature),
                    pip_requirements=requirements,
                )
            else:
                mlflow.keras.save_model(model, f"{folder}/model", pip_requirements=requirements, signature=signature)
            self.client.log_artifacts(self.id, f"{folder}/model", "model")

    def end(self, status: str) -> None:
        """Marks the run as FINISHED, FAILED or KILLED."""
        with _failing_clearly(self.store.uri):
            self.client.set_terminated(self.id, status)

    def _batch(self, **values) -> None:
        with _failing_clearly(self.store.uri):
            self.client.log_batch(self.id, **values)


def open_store(*, uri: str, experiment: str) -> Store:
    """Opens the store at an MLflow tracking URI, and creates the experiment in it if there is none.

    A SQLite file is created once, under a lock: several processes that migrate it at once would break it.
    """
    uri = _absolute(uri)
    with _failing_clearly(uri), _locked(uri):
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient(uri)
        found = client.get_experiment_by_name(experiment)
        artifacts = Path(uri.removeprefix(SQLITE)).parent / "mlartifacts" if uri.startswith(SQLITE) else None
        experiment_id = (
            found.experiment_id
            if found
            else client.create_experiment(experiment, artifact_location=artifacts and artifacts.as_uri())
        )
    return Store(client, experiment_id, uri)


def _absolute(uri: str) -> str:
    """A SQLite URI with the absolute path of its file: a relative one would follow the working directory."""
    if not uri.startswith(SQLITE):
        return uri
    return SQLITE + str(Path(uri.removeprefix(SQLITE)).resolve())


@contextmanager
def _locked(uri: str):
    if not uri.startswith(SQLITE):
        yield
        return
    path = Path(uri.removeprefix(SQLITE))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA schema_version")  # fails at once, where MLflow would try again for minutes
        yield


@contextmanager
def _failing_clearly(uri: str):
    """Turns what a store raises into one line that names the store."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TrackingError(
            f"tracking.uri={uri} failed ({reason}); check that it exists, can be written and has room"
        ) from error


def _schema(tensors):
    """The shapes and types of a Keras model's inputs or outputs; -1 is any size."""
    from mlflow.types import Schema, TensorSpec

    return Schema([TensorSpec(np.dtype(one.dtype), [-1 if n is None else n for n in one.shape]) for one in tensors])


def _texts(values: dict) -> dict[str, str]:
    """Values as MLflow keeps them."""
    return {k: (v if isinstance(v, str) else json.dumps(v, ensure_ascii=False))[:LONGEST] for k, v in values.items()}
