"""A run that is being written."""

import base64
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow

from brnn.errors import AwayError
from brnn.paths import masked
from brnn.terminal import lines
from brnn.tracking import saved_model, tag_names
from brnn.tracking.delivery import deliver
from brnn.tracking.records import PARAMETER, TAG, as_decimals, as_texts, now, send
from brnn.tracking.saved_model import model_files, models_tag
from brnn.tracking.spool import append

if TYPE_CHECKING:
    import keras


ONCE = 0  # the step of metrics that are logged once, which the MLflow UI then draws as bars


class Run:
    """A run that is being written, value by value.

    Each method writes one record. Records that a server does not accept, and all later ones, go to
    the spool, which is delivered as soon as the server answers again.

    Attributes:
        id: the id of the run.
        part: the part of the run that is being computed, for the tag of a failure.
        seconds: the time that the methods have taken.
    """

    def __init__(
        self,
        client: mlflow.MlflowClient,
        run_id: str,
        spool: Path | None,
        *,
        params: dict[str, str],
        history: dict[str, dict[int, float]],
    ):
        """Write to an existing run.

        Args:
            client: of the run's store.
            run_id: the id of the run.
            spool: the file for records that the server does not accept; None: their error is
                raised.
            params: parameters that are already logged.
            history: metrics that are already logged, by name and step.
        """
        self.id = run_id
        self.part = ""
        self.seconds = 0.0
        self._client = client
        self._spool = spool
        self._params = params
        self._history = history

    def params(self, values: dict[str, Any]) -> None:
        """Log parameters, except those that are already logged."""
        texts = as_texts(values, PARAMETER)
        self._write({"params": {k: text for k, text in texts.items() if k not in self._params}})

    def metrics(self, values: dict[str, float], step: int) -> None:
        """Log metrics of one step, except those that are already logged."""
        logged = as_decimals(values).items()
        new = {key: value for key, value in logged if step not in self._history.get(key, ())}
        if new:
            self._write({"metrics": new, "step": step, "at": now()}, deliver_spool=True)
        for key, value in new.items():
            self._history.setdefault(key, {})[step] = value

    def logged(self, step: int) -> dict[str, float]:
        """Return the metrics of a step that are already logged."""
        return {key: values[step] for key, values in self._history.items() if step in values}

    def tag(self, values: dict[str, Any]) -> None:
        """Set tags."""
        self._write({"tags": as_texts(values, TAG)})

    def text(self, content: str, path: str) -> None:
        """Write a text artifact."""
        self.file(content.encode(), path)

    def file(self, content: bytes, path: str) -> None:
        """Write an artifact."""
        self._write({"file": path, "content": base64.b64encode(content).decode()})

    def dataset(self, description: dict[str, str]) -> None:
        """Log what the run is trained on, as `brnn.tracking.dataset` describes it."""
        self._write({"dataset": description})

    def model(self, model: "keras.Model", **others: "keras.Model") -> None:
        """Write a Keras model, and others into folders of their names; see `model_files`."""
        models = {saved_model.FOLDER: model} | others
        for folder, written in models.items():
            for path, content in model_files(written, folder):
                self.file(content, path)
        self.tag({tag_names.MODELS: models_tag(self.id, list(models))})

    def end(self, status: str) -> None:
        """Set the status: FINISHED, FAILED or KILLED."""
        self._write({"end": status, "at": now()}, deliver_spool=True)
        if self._spool is not None and self._spool.exists():
            lines.warning(
                f"{self._client.tracking_uri} still does not answer; deliver {self._spool} later"
                f" with: brnn sync {self._spool.parent}"
            )

    def _write(self, record: dict[str, Any], deliver_spool: bool = False) -> None:
        began, uri = time.perf_counter(), self._client.tracking_uri
        if self._spool is None:
            send(self._client, self.id, record)
        elif self._spool.exists() or not self._is_sent(record, self._spool):
            append(self._spool, {"uri": masked(uri), "run": self.id}, record)
            if deliver_spool:
                with suppress(AwayError):
                    deliver(self._spool, uri)
        self.seconds += time.perf_counter() - began

    def _is_sent(self, record: dict[str, Any], spool: Path) -> bool:
        """Send a record; return whether the server answers."""
        try:
            send(self._client, self.id, record)
        except AwayError as error:
            lines.warning(f"{error}; until it answers, records are kept in {spool}")
            return False
        return True
