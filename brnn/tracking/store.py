"""A tracking store and its experiment."""

import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import mlflow.store.tracking.sqlalchemy_store  # slower if imported while a store is opened
import numpy as np
import sqlalchemy
import yaml
from mlflow import entities
from mlflow.exceptions import MlflowException

from brnn import paths, signals
from brnn.config.ranges import ExperimentName, StoreUri
from brnn.errors import PrunedError, TrackingError
from brnn.tracking import saved_model, sqlite, sqlite_uri, tag_names
from brnn.tracking.failures import one_line_errors
from brnn.tracking.passwords import with_password
from brnn.tracking.process import owner
from brnn.tracking.records import NAME, TAG, as_name, as_tags, as_texts
from brnn.tracking.run import Run
from brnn.tracking.status import job_number
from brnn.tracking.sweep_job import SweepJob

if TYPE_CHECKING:
    import keras

OF_THE_END = (tag_names.ERROR, tag_names.FAILED_IN, tag_names.PRUNED, tag_names.FAILED)
TRACEBACK = "error.txt"  # artifact of a failed run
DATABASES = ("postgresql", "mysql")  # prefixes of URIs, tracked without an MLflow server


class Store:
    """An experiment in a tracking store.

    Attributes:
        client: MLflow's client of the store.
        experiment_id: the id of the experiment.
        uri: the tracking URI; that of a SQLite file is absolute.
    """

    def __init__(self, client: mlflow.MlflowClient, experiment_id: str, uri: str):
        self.client = client
        self.experiment_id = experiment_id
        self.uri = uri

    @contextmanager
    def run(
        self,
        name: str,
        tags: dict[str, Any],
        job: SweepJob | None,
        spool: Path | None = None,
        earlier: entities.Run | None = None,
    ) -> Iterator[Run]:
        """Yield a new run, or an earlier one opened again, and set its status at the end.

        A signal and a sweeper end it as killed, any other exception as failed, with the error and
        the part of the run in which it was raised as tags, and the traceback as an artifact.

        Args:
            name: the name of a new run.
            tags: its tags.
            job: its position in a sweep, if it is part of one.
            spool: the file for records that a server does not accept, if they are to be kept.
            earlier: the run to open again.
        """
        tags = {tag_names.LAUNCH: "", **tags, tag_names.OWNER: owner()}
        if job:
            tags[tag_names.PARENT] = job.parent
            tags[tag_names.LAUNCH] = job.launch
            tags[tag_names.JOB] = job.number
        run = self._reopen(earlier, tags, spool) if earlier else self._create(name, tags, spool)
        try:
            signals.check()
            yield run
        except PrunedError as reason:
            run.tag({tag_names.PRUNED: str(reason)})
            run.end("KILLED")
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) or signals.received():
                run.end("KILLED")
                raise
            with suppress(TrackingError):  # would hide the first error
                run.text(paths.masked(traceback.format_exc()), TRACEBACK)
            with suppress(TrackingError):  # artifacts may lie on another disk, which is full
                part = {tag_names.FAILED_IN: run.part} if run.part else {}
                run.tag({tag_names.ERROR: f"{type(error).__name__}: {error}"} | part)
                run.end("FAILED")
            raise
        run.end("FINISHED")

    def latest(self, fingerprint: str) -> entities.Run | None:
        """Return the newest run of a fingerprint, if any."""
        query = f"tags.{tag_names.FINGERPRINT} = '{fingerprint}'"
        with one_line_errors(self.uri):
            runs = self.client.search_runs(
                [self.experiment_id], query, order_by=["start_time DESC"], max_results=1
            )
        return runs[0] if runs else None

    def children(self, parent: str) -> list[entities.Run]:
        """Return the runs of a sweep by job number, including reused ones.

        Args:
            parent: the id of the sweep's run.
        """
        runs = self.search(f"tags.`{tag_names.PARENT}` = '{parent}'")
        runs += self.search(f"tags.`{tag_names.REUSED}.{parent}` LIKE '%'")

        def position(run: entities.Run) -> tuple[int, int]:
            return job_number(run, parent), run.info.start_time

        return sorted({run.info.run_id: run for run in runs}.values(), key=position)

    def search(self, query: str) -> list[entities.Run]:
        """Return the runs that a filter in MLflow's syntax matches, newest first.

        Raises:
            TrackingError: the filter is not valid, or the store cannot be read.
        """
        runs: list[entities.Run] = []
        token = None
        with one_line_errors(self.uri, bad_value=f"filter={query} is not valid"):
            while True:
                page = self.client.search_runs([self.experiment_id], query, page_token=token)
                runs, token = [*runs, *page], page.token
                if not token:
                    return runs

    def get(self, run_id: str) -> entities.Run:
        """Return a run of the store, of any experiment."""
        with one_line_errors(self.uri):
            return self.client.get_run(run_id)

    def history(self, run_id: str, key: str) -> dict[int, float]:
        """Return the values of a metric by step."""
        with one_line_errors(self.uri):
            metrics = self.client.get_metric_history(run_id, key)
        return {metric.step: metric.value for metric in metrics}

    def reuse(self, run_id: str, job: SweepJob) -> None:
        """Count a finished run as a job of a sweep."""
        with one_line_errors(self.uri):
            self.client.set_tag(run_id, f"{tag_names.REUSED}.{job.parent}", str(job.number))

    def delete(self, run_id: str) -> None:
        """Move a run to the store's trash."""
        with one_line_errors(self.uri):
            self.client.delete_run(run_id)

    def mark_killed(self, run_id: str) -> None:
        """Set the status of a run whose process has ended."""
        with one_line_errors(self.uri):
            self.client.set_terminated(run_id, "KILLED")

    def net(self, run_id: str) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Return the configuration and the weights of the net that a run logged."""
        config = yaml.safe_load(self.text(run_id, "config.yaml"))
        return config, self.model(run_id).get_weights()

    def model(self, run_id: str) -> "keras.Model":
        """Return the net that a run logged, of ordinary Keras layers."""
        with tempfile.TemporaryDirectory() as folder, one_line_errors(self.uri):
            path = self.client.download_artifacts(run_id, saved_model.FOLDER, folder)
            return saved_model.load_model(Path(path))

    def text(self, run_id: str, path: str) -> str:
        """Return a text artifact of a run."""
        return self.file(run_id, path).decode()

    def file(self, run_id: str, path: str) -> bytes:
        """Return an artifact of a run."""
        with tempfile.TemporaryDirectory() as folder, one_line_errors(self.uri):
            return Path(self.client.download_artifacts(run_id, path, folder)).read_bytes()

    def _create(self, name: str, tags: dict[str, Any], spool: Path | None) -> Run:
        if len(name) > NAME:
            tags = tags | {tag_names.NOTE: name}
        with one_line_errors(self.uri):
            created = self.client.create_run(
                self.experiment_id, run_name=as_name(name), tags=as_texts(tags, TAG)
            )
        return Run(self.client, created.info.run_id, spool, params={}, history={})

    def _reopen(self, earlier: entities.Run, tags: dict[str, Any], spool: Path | None) -> Run:
        run_id = earlier.info.run_id
        with one_line_errors(self.uri):
            self.client.log_batch(run_id, tags=as_tags(tags))
            for key in OF_THE_END:
                if key in earlier.data.tags:
                    self.client.delete_tag(run_id, key)
            self.client.update_run(run_id, "RUNNING")
        history = {key: self.history(run_id, key) for key in earlier.data.metrics}
        return Run(self.client, run_id, spool, params=earlier.data.params, history=history)


def open_store(*, uri: StoreUri, experiment: ExperimentName) -> Store:
    """Open a tracking store, creating a missing SQLite file and a missing experiment.

    Args:
        uri: an MLflow tracking URI.
        experiment: the name of the experiment.

    Raises:
        AwayError: a server does not answer.
        TrackingError: the store cannot be opened, its password is masked and unknown, or the
            experiment was deleted.
    """
    uri = with_password(sqlite_uri.absolute(paths.expanded(uri)))
    with one_line_errors(uri):
        if sqlite_uri.is_sqlite(uri):
            with sqlite.locked(uri):
                return _open(uri, experiment)
        if uri.startswith(DATABASES):
            check_connection(uri)
        return _open(uri, experiment)


def _open(uri: str, experiment: str) -> Store:
    client = mlflow.MlflowClient(uri)
    found = experiment_id(client, experiment, uri)
    return Store(client, found or _created_id(client, experiment, uri), uri)


def check_connection(uri: str) -> None:
    """Connect to a database once, since MLflow retries for minutes."""
    with sqlalchemy.create_engine(uri, connect_args={"connect_timeout": 5}).connect():
        pass


def experiment_id(client: mlflow.MlflowClient, name: str, uri: str) -> str | None:
    """Return the id of an experiment; None if it does not exist.

    Raises:
        TrackingError: it was deleted.
    """
    experiment = client.get_experiment_by_name(name)
    return None if experiment is None else _usable_id(experiment, name, uri)


def _created_id(client: mlflow.MlflowClient, name: str, uri: str) -> str:
    """Return the id of a new experiment; another process may be creating it."""
    artifacts = None
    if sqlite_uri.is_sqlite(uri):
        artifacts = (sqlite_uri.path_of(uri).parent / "mlartifacts").as_uri()
    with suppress(MlflowException):
        return client.create_experiment(name, artifact_location=artifacts)
    return _usable_id(client.get_experiment_by_name(name), name, uri)


def _usable_id(experiment: entities.Experiment | None, name: str, uri: str) -> str:
    if experiment is None or experiment.lifecycle_stage != "active":
        raise TrackingError(
            f"tracking.experiment={name} was deleted from {paths.masked(uri)}, or cannot be"
            " created; choose another name"
        )
    return experiment.experiment_id
