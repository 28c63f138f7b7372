"""Stores that are only read: nothing is created, neither a file nor an experiment."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import mlflow
from mlflow import entities

from brnn import paths
from brnn.config.ranges import ExperimentName, StoreUri
from brnn.errors import TrackingError, did_you_mean
from brnn.tracking import sqlite_uri
from brnn.tracking.failures import one_line_errors
from brnn.tracking.passwords import with_password
from brnn.tracking.store import DATABASES, Store, check_connection, experiment_id

LOCAL_UI = "http://127.0.0.1:5000"  # where `brnn ui` serves a store of files


def open_existing(uri: str, experiment: str | None) -> list[Store]:
    """Return the experiments of a store, or one of them.

    Args:
        uri: an MLflow tracking URI.
        experiment: the name of the experiment; None: all.

    Raises:
        AwayError: a server does not answer.
        TrackingError: the store or the experiment does not exist, or the store cannot be read.
    """
    uri = _complete(uri)
    if sqlite_uri.is_absent(uri):
        raise TrackingError(f"tracking.uri={uri}: there is no such file")
    with one_line_errors(uri):
        client = _client(uri)
        ids = {e.name: e.experiment_id for e in client.search_experiments()}
    if experiment is not None and experiment not in ids:
        raise TrackingError(
            f"experiment={experiment} does not exist in {paths.masked(uri)}, which has"
            f" {', '.join(ids)}"
            f"{did_you_mean(experiment, ids)}"
        )
    chosen = ids if experiment is None else {experiment: ids[experiment]}
    return [Store(client, experiment_id, uri) for experiment_id in chosen.values()]


def find_store(*, uri: StoreUri, experiment: ExperimentName) -> Store | None:
    """Return an experiment of a store; None if either does not exist yet.

    Args:
        uri: an MLflow tracking URI.
        experiment: the name of the experiment.

    Raises:
        AwayError: a server does not answer.
        TrackingError: the store cannot be read, or the experiment was deleted.
    """
    uri = _complete(uri)
    if sqlite_uri.is_absent(uri):
        return None
    with one_line_errors(uri):
        client = _client(uri)
        found = experiment_id(client, experiment, uri)
    return Store(client, found, uri) if found else None


def ui_base(uri: str) -> str:
    """Return where the MLflow UI of a store is: at its server, or where `brnn ui` serves it."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return LOCAL_UI
    host = parts.netloc.rpartition("@")[2]  # without a password
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"


def run_page(experiment_id: str, run_id: str) -> str:
    """Return the page of a run within the MLflow UI, in its mode for the training of models."""
    return f"/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"


def newest_run(stores: Sequence[Store]) -> entities.Run | None:
    """Return the run of some experiments that was started last, if any."""
    newest = [runs[0] for store in stores if (runs := store.search(""))]
    return max(newest, key=lambda run: run.info.start_time, default=None)


def _complete(uri: str) -> str:
    """Return a URI with its password, and that of a SQLite file as an absolute path."""
    return with_password(sqlite_uri.absolute(paths.expanded(uri)))


def _client(uri: str) -> mlflow.MlflowClient:
    if uri.startswith(DATABASES):
        check_connection(uri)
    return mlflow.MlflowClient(uri)
