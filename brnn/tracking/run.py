"""One run of the store."""

import base64
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from brnn.errors import AwayError
from brnn.terminal import lines
from brnn.tracking import spool
from brnn.tracking.records import as_texts, deliver, now, send


class Run:
    """One run of the store. Values go in batches; what a server does not take is kept in `spool`, a file or None.

    `earlier` is what the store knew of it when it was opened again, None if it is new; `seconds` counts what
    tracking takes.
    """

    def __init__(self, store, run_id: str, spool: Path | None, earlier):
        self.store = store
        self.client = store.client
        self.id = run_id
        self.spool = spool
        self.seconds = 0.0
        self.known = earlier.data.params if earlier else {}
        self.logged = (
            {key: store.history(run_id, key) for key in earlier.data.metrics} if earlier else {}
        )

    def params(self, values: dict) -> None:
        """Logs parameters; those that an earlier process logged stay as they are."""
        self._write(
            {
                "params": {
                    key: text for key, text in as_texts(values).items() if key not in self.known
                }
            }
        )

    def metrics(self, values: dict[str, float], step: int) -> None:
        """Logs metrics at one step; those that an earlier process logged stay as they are."""
        new = {
            key: float(value)
            for key, value in values.items()
            if step not in self.logged.get(key, ())
        }
        if new:
            self._write({"metrics": new, "step": step, "at": now()}, try_all=True)

    def tag(self, values: dict) -> None:
        """Sets tags."""
        self._write({"tags": as_texts(values)})

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
                    loader_module="brnn.nets.cells",
                    data_path=f"{folder}/model.keras",
                    code_paths=[str(Path(__file__).parents[1])],
                    mlflow_model=Model(signature=signature),
                    pip_requirements=requirements,
                )
            else:
                mlflow.keras.save_model(
                    model, f"{folder}/model", pip_requirements=requirements, signature=signature
                )
            for path in sorted(Path(folder, "model").rglob("*")):
                if path.is_file():
                    self.file(path.read_bytes(), str(path.relative_to(folder)))

    def end(self, status: str) -> None:
        """Marks the run as FINISHED, FAILED or KILLED."""
        self._write({"end": status, "at": now()}, try_all=True)
        if self._waits():
            lines.warning(
                f"{self.store.uri} is still away; {self.spool} is sent to it by: python -m brnn.sync"
            )

    def _write(self, record: dict, try_all: bool = False) -> None:
        began = time.perf_counter()
        self._send_or_keep(record, try_all)
        self.seconds += time.perf_counter() - began

    def _send_or_keep(self, record, try_all):
        """Sends a record, or keeps it behind those that are kept already; `try_all` then sends them all if it can."""
        if not self._waits():
            try:
                send(self.client, self.id, record)
                return
            except AwayError as error:
                if self.spool is None:
                    raise
                lines.warning(f"{error}; what it does not take is kept in {self.spool}")
        spool.keep(self.spool, {"uri": self.store.uri, "run": self.id}, record)
        if try_all:
            with suppress(AwayError):
                deliver(self.spool)

    def _waits(self):
        return self.spool is not None and self.spool.exists()


def _schema(tensors):
    """The shapes and types of a Keras model's inputs or outputs; -1 is any size."""
    from mlflow.types import Schema, TensorSpec

    return Schema(
        [
            TensorSpec(np.dtype(one.dtype), [-1 if n is None else n for n in one.shape])
            for one in tensors
        ]
    )
