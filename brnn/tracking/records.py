"""Records: single writes to a run, as JSON objects.

A record has the keys `metrics`, `step` and `at`; or `params`; or `tags`; or `dataset`; or `file`
(a path within the artifacts) and `content` (base64); or `end` (a status) and `at`. `at` is in
milliseconds.
"""

import base64
import json
import math
import tempfile
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import mlflow
import mlflow.store.tracking.sqlalchemy_store  # slower if imported while a store is opened
import numpy as np
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.file_utils import get_local_path_or_none

from brnn.config.fingerprint import hash_json
from brnn.paths import masked
from brnn.tracking import dataset
from brnn.tracking.failures import one_line_errors
from brnn.writing import whole

FLOAT32 = float(np.finfo("float32").max)
_DIGITS, _LAST_BITS = 12, 1e-15  # of a short decimal; relative
NAME, PARAMETER, TAG = 250, 500, 5000  # characters that every store accepts


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
        elif "dataset" in record:
            dataset.send(client, run_id, record["dataset"])
        elif "file" in record:
            _send_file(client, run_id, Path(record["file"]), base64.b64decode(record["content"]))
        else:
            client.set_terminated(run_id, record["end"], record["at"])


def now() -> int:
    """Return the time in milliseconds, MLflow's unit."""
    return int(time.time() * 1000)


def as_decimals(values: Mapping[str, float]) -> dict[str, float]:
    """Return metrics as floats that a person would write.

    A float32 becomes the shortest decimal that rounds to it, since a mean of 0.7798 in float32 is
    0.7797999978065491 as a float64; a float64 that is a short decimal but for its last bits becomes
    that decimal, since 1 - 0.7 is 0.30000000000000004.
    """
    floats = {key: float(value) for key, value in values.items()}
    return {key: _decimal(value) for key, value in floats.items()}


def as_texts(values: dict[str, Any], longest: int) -> dict[str, str]:
    """Return values as MLflow stores them: strings as they are, others as JSON.

    Args:
        values: of parameters or tags; passwords of URIs are masked.
        longest: the number of characters, `PARAMETER` or `TAG`, to which a text is cut.
    """
    texts = {
        key: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)
        for key, v in values.items()
    }
    return {key: masked(text)[:longest] for key, text in texts.items()}


def as_tags(values: dict[str, Any]) -> list[RunTag]:
    """Return MLflow's tags of values."""
    return [RunTag(key, text) for key, text in as_texts(values, TAG).items()]


def as_name(text: str) -> str:
    """Return a text as the name of a run.

    A digest replaces the middle of a long one, since what tells runs apart stands at its beginning.
    """
    text = masked(text)
    if len(text) <= NAME:
        return text
    digest = hash_json(text)
    kept = NAME - len(digest) - 4
    return f"{text[: kept - kept // 3]}… {digest} …{text[len(text) - kept // 3 :]}"


def _decimal(value: float) -> float:
    if value.is_integer():
        return value
    single = np.float32(value) if abs(value) < FLOAT32 else np.float32("nan")
    if float(single) == value:
        return float(str(single))
    short = float(f"{value:.{_DIGITS}g}")
    return short if math.isclose(short, value, rel_tol=_LAST_BITS) else value


def _send_file(client: mlflow.MlflowClient, run_id: str, path: Path, content: bytes) -> None:
    """Write an artifact; one in a folder of this machine is written whole or not at all."""
    folder = _artifact_folder(client, run_id)
    if folder is not None:
        (folder / path.parent).mkdir(parents=True, exist_ok=True)
        with whole(folder / path, owner=run_id) as file:
            file.write(content)
        return
    with tempfile.TemporaryDirectory() as temporary:
        local = Path(temporary, path.name)
        with whole(local) as file:
            file.write(content)
        client.log_artifact(run_id, str(local), str(path.parent) if path.parent.name else None)


@lru_cache
def _artifact_folder(client: mlflow.MlflowClient, run_id: str) -> Path | None:
    """Return where the artifacts of a run lie; None if not in a folder of this machine."""
    path = get_local_path_or_none(client.get_run(run_id).info.artifact_uri)
    return None if path is None else Path(path)
