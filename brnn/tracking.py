"""Tracking: the only module that knows MLflow.

Everything goes through the client with an explicit run, so that nothing is left in the environment,
and a job of a sweep needs only what it gets as its `SweepJob`. A server that goes away in the
middle of a run costs nothing: what it cannot take is kept in a file, the spool, until it is back.
"""

import base64
import json
import logging
import os
import sqlite3
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # what a server does not take is kept and sent again
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

import mlflow
import mlflow.store.tracking.sqlalchemy_store  # else imported as a store is opened, when that takes longer
import numpy as np
import requests
import sqlalchemy
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from brnn import identity, locks, spools, terminal
from brnn.ranges import StoreUri

logging.getLogger("alembic").setLevel(logging.WARNING)
logging.getLogger("urllib3").setLevel(logging.ERROR)
logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # it prints tracebacks of what it then raises

SQLITE = "sqlite:///"
PARENT = "mlflow.parentRunId"
FINGERPRINT, OWNER, LAUNCH, JOB, REUSED = "fingerprint", "owner", "launch", "job", "reused_by"  # tags
ERROR, GIVEN_UP, FAILED, RECORD, REFUSED = "error", "given_up", "failed", "record", "refused"
AWAY = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")  # codes of what a server may take later
LONGEST = 5000  # characters of a parameter or tag that every store takes


class TrackingError(RuntimeError):
    """The tracking store cannot be opened or written."""


class AwayError(TrackingError):
    """The tracking server does not answer."""


class GivenUpError(Exception):
    """A sweeper has no use for the rest of a run."""


class Store:
    """An experiment in a tracking store."""

    def __init__(self, client: mlflow.MlflowClient, experiment_id: str, uri: str):
        self.client = client
        self.experiment_id = experiment_id
        self.uri = uri

    @contextmanager
    def run(
        self,
        name: str,
        tags: dict,
        job: identity.SweepJob | None,
        spool: Path | None = None,
        earlier=None,
    ):
        """A new run, or `earlier` opened again; `job` is its place in a sweep, if it has one.

        It ends as finished, as killed by Ctrl-C or by a sweeper, or as failed with its error as a tag.
        """
        tags = {LAUNCH: ""} | tags | {OWNER: identity.owner()}
        tags |= {PARENT: job.parent, LAUNCH: job.launch, JOB: job.number} if job else {}
        run_id = self._reopen(earlier, tags) if earlier else self._create(name, tags)
        run = Run(self, run_id, spool, earlier)
        try:
            yield run
        except KeyboardInterrupt:
            run.end("KILLED")
            raise
        except GivenUpError as reason:
            run.tag({GIVEN_UP: str(reason)})
            run.end("KILLED")
            raise
        except BaseException as error:
            with suppress(TrackingError):  # the first error is what counts
                run.tag({ERROR: f"{type(error).__name__}: {error}"})
                run.end("FAILED")
            raise
        run.end("FINISHED")

    def earlier(self, fingerprint: str):
        """The newest run of a fingerprint, or None."""
        with _failing_clearly(self.uri):
            query = f"tags.{FINGERPRINT} = '{fingerprint}'"
            found = self.client.search_runs([self.experiment_id], query, order_by=["start_time DESC"], max_results=1)
        return found[0] if found else None

    def children(self, parent: str) -> list:
        """The runs of a sweep in the order of its jobs; runs that it found finished are among them."""
        reused = f"{REUSED}.{parent}"
        found = self._search(f"tags.`{PARENT}` = '{parent}'") + self._search(f"tags.`{reused}` LIKE '%'")

        def place(run):
            tags = run.data.tags
            return int(tags.get(reused, tags.get(JOB, 0))), run.info.start_time

        return sorted({run.info.run_id: run for run in found}.values(), key=place)

    def history(self, run_id: str, key: str) -> dict[int, float]:
        """The values of a metric by step."""
        with _failing_clearly(self.uri):
            return {metric.step: metric.value for metric in self.client.get_metric_history(run_id, key)}

    def reuse(self, run_id: str, job: identity.SweepJob) -> None:
        """Makes a finished run count as a job of a sweep."""
        with _failing_clearly(self.uri):
            self.client.set_tag(run_id, f"{REUSED}.{job.parent}", str(job.number))

    def delete(self, run_id: str) -> None:
        """Puts a run into the store's trash."""
        with _failing_clearly(self.uri):
            self.client.delete_run(run_id)

    def kill(self, run_id: str) -> None:
        """Marks a run, whose process is gone, as killed."""
        with _failing_clearly(self.uri):
            self.client.set_terminated(run_id, "KILLED")

    def _create(self, name, tags):
        with _failing_clearly(self.uri):
            return self.client.create_run(self.experiment_id, run_name=name, tags=_texts(tags)).info.run_id

    def _reopen(self, earlier, tags):
        run_id = earlier.info.run_id
        with _failing_clearly(self.uri):
            self.client.log_batch(run_id, tags=[RunTag(key, text) for key, text in _texts(tags).items()])
            for key in (ERROR, GIVEN_UP, FAILED):
                if key in earlier.data.tags:
                    self.client.delete_tag(run_id, key)
            self.client.update_run(run_id, "RUNNING")
        return run_id

    def net(self, run_id: str) -> tuple[dict, list]:
        """The configuration and the weights of the net that a run logged."""
        import keras
        import yaml

        with tempfile.TemporaryDirectory() as folder, _failing_clearly(self.uri):
            options = yaml.safe_load(Path(self.client.download_artifacts(run_id, "config.yaml", folder)).read_text())
            saved = Path(self.client.download_artifacts(run_id, "model", folder), "data", "model.keras")
            return options, keras.models.load_model(saved, compile=False, safe_mode=True).get_weights()

    def text(self, run_id: str, path: str) -> str:
        """A text artifact of a run."""
        with tempfile.TemporaryDirectory() as folder, _failing_clearly(self.uri):
            return Path(self.client.download_artifacts(run_id, path, folder)).read_text()

    def _search(self, query):
        found, token = [], None
        with _failing_clearly(self.uri):
            while True:
                page = self.client.search_runs([self.experiment_id], query, page_token=token)
                found, token = found + list(page), page.token
                if not token:
                    return found


class Run:
    """One run of the store. Values go in batches; what a server does not take is kept in `spool`, a file or None.

    `earlier` is what the store knew of it when it was opened again, None if it is new; `seconds` counts what
    tracking takes.
    """

    def __init__(self, store: Store, run_id: str, spool: Path | None, earlier):
        self.store = store
        self.client = store.client
        self.id = run_id
        self.spool = spool
        self.seconds = 0.0
        self.known = earlier.data.params if earlier else {}
        self.logged = {key: store.history(run_id, key) for key in earlier.data.metrics} if earlier else {}

    def params(self, values: dict) -> None:
        """Logs parameters; those that an earlier process logged stay as they are."""
        self._write({"params": {key: text for key, text in _texts(values).items() if key not in self.known}})

    def metrics(self, values: dict[str, float], step: int) -> None:
        """Logs metrics at one step; those that an earlier process logged stay as they are."""
        new = {key: float(value) for key, value in values.items() if step not in self.logged.get(key, ())}
        if new:
            self._write({"metrics": new, "step": step, "at": _now()}, try_all=True)

    def tag(self, values: dict) -> None:
        """Sets tags."""
        self._write({"tags": _texts(values)})

    def text(self, content: str, path: str) -> None:
        """Writes a text artifact."""
        self.file(content.encode(), path)

    def file(self, content: bytes, path: str) -> None:
        """Writes an artifact."""
        self._write({"file": path, "content": base64.b64encode(content).decode()})

    def model(self, model, requirements: list[str]) -> None:
        """Logs a Keras model that `mlflow.pyfunc.load_model("runs:/<id>/model")` loads.

        A model of Keras' own layers needs nothing else; one with cells of ours takes this package's code along.
        """
        import mlflow.keras
        from mlflow.models import Model, ModelSignature

        signature = ModelSignature(_schema(model.inputs), _schema(model.outputs))
        with tempfile.TemporaryDirectory() as folder:
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
            for path in sorted(Path(folder, "model").rglob("*")):
                if path.is_file():
                    self.file(path.read_bytes(), str(path.relative_to(folder)))

    def end(self, status: str) -> None:
        """Marks the run as FINISHED, FAILED or KILLED."""
        self._write({"end": status, "at": _now()}, try_all=True)
        if self._waits():
            terminal.warning(f"{self.store.uri} is still away; {self.spool} is sent to it by: python -m brnn.sync")

    def _write(self, record: dict, try_all: bool = False) -> None:
        began = time.perf_counter()
        self._send_or_keep(record, try_all)
        self.seconds += time.perf_counter() - began

    def _send_or_keep(self, record, try_all):
        """Sends a record, or keeps it behind those that are kept already; `try_all` then sends them all if it can."""
        if not self._waits():
            try:
                _send(self.client, self.id, record)
                return
            except AwayError as error:
                if self.spool is None:
                    raise
                terminal.warning(f"{error}; what it does not take is kept in {self.spool}")
        spools.keep(self.spool, {"uri": self.store.uri, "run": self.id}, record)
        if try_all:
            with suppress(AwayError):
                deliver(self.spool)

    def _waits(self):
        return self.spool is not None and self.spool.exists()


def deliver(spool: Path) -> int:
    """Sends what a spool keeps, removes it, and returns the number of records; sending twice changes nothing.

    A record that the store fails on, but not on a tag that says so, holds up no other: it is put aside, in a file
    that `refused` names.
    """
    with spools.emptied(spool) as (header, records):
        client, aside = mlflow.MlflowClient(header.get("uri")), []
        for record in records:
            try:
                _send(client, header["run"], record)
            except TrackingError as error:
                _send(client, header["run"], {"tags": {REFUSED: str(error)[:LONGEST]}})
                terminal.warning(f"{error}; put aside in {refused(spool)}")
                aside.append(record)
        spools.keep(refused(spool), header, *aside)
    return len(records) - len(aside)


def refused(spool: Path) -> Path:
    """The file, of the same format, for what a store refused of a spool."""
    return spool.with_suffix(".refused")


def standing(run, launch: str = "") -> str:
    """How a run stands: finished, failed, killed, running, or interrupted where its process is gone.

    A run of another machine is taken to be running, unless `launch`, the present one, started it.
    """
    if run.info.status != "RUNNING":
        return run.info.status.lower()
    runs = identity.alive(run.data.tags.get(OWNER, "::"))
    if runs is None:
        runs = not is_of_launch(run, launch)
    return "running" if runs else "interrupted"


def is_of_launch(run, launch: str) -> bool:
    """Whether a launch of a sweep started a run; an empty `launch` is that of no sweep."""
    return run.data.tags.get(LAUNCH, "") == launch != ""


def open_store(*, uri: StoreUri, experiment: str) -> Store:
    """Opens the store at an MLflow tracking URI, and creates the experiment in it if there is none.

    A SQLite file is created once, under a lock: several processes that migrate it at once would break it.
    """
    uri = _absolute(uri)
    with _failing_clearly(uri), _locked(uri):
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient(uri)
        experiment_id = _experiment(client, experiment, uri)
    return Store(client, experiment_id, uri)


def _experiment(client, name, uri):
    """The identifier of an experiment, which another process may create at the same time."""
    artifacts = Path(uri.removeprefix(SQLITE)).parent / "mlartifacts" if uri.startswith(SQLITE) else None
    found = client.get_experiment_by_name(name)
    if found is None:
        with suppress(MlflowException):
            return client.create_experiment(name, artifact_location=artifacts and artifacts.as_uri())
        found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        raise TrackingError(
            f"tracking.experiment={name} was deleted from {uri}, or cannot be created; take another name"
        )
    return found.experiment_id


def is_absent(uri: str) -> bool:
    """Whether a SQLite store has no file yet."""
    return uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).exists()


def _absolute(uri: str) -> str:
    """A SQLite URI with the absolute path of its file: a relative one would follow the working directory."""
    if not uri.startswith(SQLITE):
        return uri
    return SQLITE + str(Path(uri.removeprefix(SQLITE)).resolve())


@contextmanager
def _locked(uri: str):
    if not uri.startswith(SQLITE):
        if uri.startswith(("postgresql", "mysql")):
            with sqlalchemy.create_engine(uri, connect_args={"connect_timeout": 5}).connect():
                pass  # fails at once, where MLflow would try again for minutes
        yield
        return
    path = Path(uri.removeprefix(SQLITE))
    with locks.locked(path):
        if not path.exists() or (path.is_file() and not path.stat().st_size):
            _create(path)
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA schema_version")  # the same
        yield


def _create(path: Path) -> None:
    """Creates a SQLite store under another name first.

    MLflow cannot open one that a crash left half made.
    """
    new = path.with_name(f"{path.name}.new")
    for left in (new, new.with_name(f"{new.name}-journal")):
        left.unlink(missing_ok=True)
    mlflow.MlflowClient(SQLITE + str(new))
    new.replace(path)


def _send(client, run_id: str, record: dict) -> None:
    with _failing_clearly(client.tracking_uri):
        if "metrics" in record:
            metrics = [Metric(key, value, record["at"], record["step"]) for key, value in record["metrics"].items()]
            client.log_batch(run_id, metrics=metrics)
        elif "params" in record:
            client.log_batch(run_id, params=[Param(key, text) for key, text in record["params"].items()])
        elif "tags" in record:
            client.log_batch(run_id, tags=[RunTag(key, text) for key, text in record["tags"].items()])
        elif "file" in record:
            _send_file(client, run_id, Path(record["file"]), base64.b64decode(record["content"]))
        else:
            client.set_terminated(run_id, record["end"], record["at"])


def _send_file(client, run_id, path, content):
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder, path.name)
        local.write_bytes(content)
        client.log_artifact(run_id, str(local), str(path.parent) if path.parent.name else None)


def _now() -> int:
    """Milliseconds, as MLflow counts them."""
    return int(time.time() * 1000)


@contextmanager
def _failing_clearly(uri: str):
    """Turns what a store raises into one line that names the store, and tells whether a server is away."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ValueError, ImportError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        remote = not uri.startswith(SQLITE)
        away = isinstance(error, requests.RequestException) or getattr(error, "error_code", None) in AWAY
        advice = "check that it can be opened and written, and has room"
        if getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST":
            advice = "check what is asked for, and that it is of this store"
        raise (AwayError if remote and away else TrackingError)(
            f"tracking.uri={uri} failed ({reason}); {advice}"
        ) from error


def _schema(tensors):
    """The shapes and types of a Keras model's inputs or outputs; -1 is any size."""
    from mlflow.types import Schema, TensorSpec

    return Schema([TensorSpec(np.dtype(one.dtype), [-1 if n is None else n for n in one.shape]) for one in tensors])


def _texts(values: dict) -> dict[str, str]:
    """Values as MLflow keeps them."""
    return {k: (v if isinstance(v, str) else json.dumps(v, ensure_ascii=False))[:LONGEST] for k, v in values.items()}
