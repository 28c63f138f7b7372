"""Records: single writes to a run, as JSON objects.

A record has the keys `metrics`, `step` and `at`; or `params`; or `tags`; or `file` (a path within
the artifacts) and `content` (base64); or `end` (a status) and `at`. `at` is in milliseconds.
"""

import base64
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import mlflow
import mlflow.store.tracking.sqlalchemy_store  # slower if imported while a store is opened
from mlflow.entities import Metric, Param, RunTag

from brnn.tracking.failures import one_line_errors

LONGEST = 5000  # characters of a parameter or a tag that every store accepts


def send(client: mlflow.MlflowClient, run_id: str, record: dict[str, Any]) -> None:
    """Write a record to a run. Writing it again changes nothing.

    Raises:
        AwayError: the server does not answer.
        TrackingError: the store refuses the record.
    """
    with one_line_errors(client.tracking_uri):
        if "metrics" in record:
            at, step = record["at"], record["step"]
            metrics = [Metric(key, value, at, step) for key, value in record["metrics"].items()]
            client.log_batch(run_id, metrics=metrics)
        elif "params" in record:
            params = [Param(key, text) for key, text in record["params"].items()]
            client.log_batch(run_id, params=params)
        elif "tags" in record:
            client.log_batch(run_id, tags=as_tags(record["tags"]))
        elif "file" in record:
            _send_file(client, run_id, Path(record["file"]), base64.b64decode(record["content"]))
        else:
            client.set_terminated(run_id, record["end"], record["at"])


def now() -> int:
    """Return the time in milliseconds, MLflow's unit."""
    return int(time.time() * 1000)


def as_texts(values: dict[str, Any]) -> dict[str, str]:
    """Return values as MLflow stores them: strings unchanged, others as JSON, cut to `LONGEST`."""
    return {
        key: (v if isinstance(v, str) else json.dumps(v, ensure_ascii=False))[:LONGEST]
        for key, v in values.items()
    }


def as_tags(values: dict[str, Any]) -> list[RunTag]:
    """Return MLflow's tags of values."""
    return [RunTag(key, text) for key, text in as_texts(values).items()]


def _send_file(client: mlflow.MlflowClient, run_id: str, path: Path, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder, path.name)
        local.write_bytes(content)
        client.log_artifact(run_id, str(local), str(path.parent) if path.parent.name else None)
