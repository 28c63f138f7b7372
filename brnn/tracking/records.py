"""Records: what is written to a run, sent at once or kept in its spool."""

import base64
import json
import tempfile
import time
from pathlib import Path

import mlflow
import mlflow.store.tracking.sqlalchemy_store  # else imported as a store is opened, when that takes longer
from mlflow.entities import Metric, Param, RunTag

from brnn.errors import TrackingError
from brnn.terminal import lines
from brnn.tracking.failures import clear_errors
from brnn.tracking.spool import emptied, keep
from brnn.tracking.tag_names import REFUSED

LONGEST = 5000  # characters of a parameter or tag that every store takes


def deliver(spool: Path) -> int:
    """Sends what a spool keeps, removes it, and returns the number of records; sending twice changes nothing.

    A record that the store fails on, but not on a tag that says so, holds up no other: it is put aside, in a file
    that `refused` names.
    """
    with emptied(spool) as (header, records):
        client, aside = mlflow.MlflowClient(header.get("uri")), []
        for record in records:
            try:
                send(client, header["run"], record)
            except TrackingError as error:
                send(client, header["run"], {"tags": {REFUSED: str(error)[:LONGEST]}})
                lines.warning(f"{error}; put aside in {refused(spool)}")
                aside.append(record)
        keep(refused(spool), header, *aside)
    return len(records) - len(aside)


def refused(spool: Path) -> Path:
    """The file, of the same format, for what a store refused of a spool."""
    return spool.with_suffix(".refused")


def send(client, run_id: str, record: dict) -> None:
    with clear_errors(client.tracking_uri):
        if "metrics" in record:
            metrics = [
                Metric(key, value, record["at"], record["step"])
                for key, value in record["metrics"].items()
            ]
            client.log_batch(run_id, metrics=metrics)
        elif "params" in record:
            client.log_batch(
                run_id, params=[Param(key, text) for key, text in record["params"].items()]
            )
        elif "tags" in record:
            client.log_batch(
                run_id, tags=[RunTag(key, text) for key, text in record["tags"].items()]
            )
        elif "file" in record:
            _send_file(client, run_id, Path(record["file"]), base64.b64decode(record["content"]))
        else:
            client.set_terminated(run_id, record["end"], record["at"])


def _send_file(client, run_id, path, content):
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder, path.name)
        local.write_bytes(content)
        client.log_artifact(run_id, str(local), str(path.parent) if path.parent.name else None)


def now() -> int:
    """Milliseconds, as MLflow counts them."""
    return int(time.time() * 1000)


def as_texts(values: dict) -> dict[str, str]:
    """Values as MLflow keeps them."""
    return {
        k: (v if isinstance(v, str) else json.dumps(v, ensure_ascii=False))[:LONGEST]
        for k, v in values.items()
    }
