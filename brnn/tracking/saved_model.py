"""Keras models as MLflow artifacts."""

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from brnn import paths

if TYPE_CHECKING:
    import keras
    from mlflow.models import Model
    from mlflow.types import Schema

FOLDER = "model"  # within the artifacts of a run

REQUIRED = ("keras", "tensorflow", "numpy")  # by a model of Keras' own layers


def model_files(model: "keras.Model", name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the content of each file of a model, in a folder of the artifacts.

    `mlflow.pyfunc.load_model("runs:/<id>/<name>")` loads them. A model of Keras' own layers needs
    only these packages; a model with cells of this package carries the package's code.
    """
    import mlflow.keras
    from mlflow.models import Model, ModelSignature

    requirements = [f"{name}=={version(name)}" for name in REQUIRED]
    signature = ModelSignature(_schema(model.inputs), _schema(model.outputs))
    with tempfile.TemporaryDirectory() as folder:
        if '"brnn>' in model.to_json():
            _save_with_code(model, f"{folder}/{name}", requirements, Model(signature=signature))
        else:
            mlflow.keras.save_model(
                model, f"{folder}/{name}", pip_requirements=requirements, signature=signature
            )
        for path in sorted(Path(folder, name).rglob("*")):
            if path.is_file():
                yield str(path.relative_to(folder)), path.read_bytes()


def models_tag(run_id: str, folders: list[str]) -> str:
    """Return the value of the tag by which the MLflow UI lists and opens the models of a run."""
    at = datetime.now(UTC).isoformat(sep=" ")
    flavors: dict[str, dict] = {"keras": {}, "python_function": {}}
    logged = {"run_id": run_id, "utc_time_created": at, "flavors": flavors}
    return json.dumps([logged | {"artifact_path": folder} for folder in folders])


def load_model(folder: Path) -> "keras.Model":
    """Return a model from its downloaded folder."""
    import keras

    return keras.models.load_model(folder / "data/model.keras", compile=False, safe_mode=True)


def _save_with_code(
    model: "keras.Model", folder: str, requirements: list[str], mlflow_model: "Model"
) -> None:
    import mlflow.pyfunc

    model.save(f"{folder}.keras")
    mlflow.pyfunc.save_model(
        folder,
        loader_module="brnn.nets.cells",
        data_path=f"{folder}.keras",
        code_paths=[str(Path(paths.__file__).parent)],
        mlflow_model=mlflow_model,
        pip_requirements=requirements,
    )


def _schema(tensors: list[Any]) -> "Schema":
    """Return the types and shapes of a model's inputs or outputs; -1 is any size."""
    from mlflow.types import Schema, TensorSpec

    return Schema(
        [
            TensorSpec(np.dtype(tensor.dtype), tuple(-1 if n is None else n for n in tensor.shape))
            for tensor in tensors
        ]
    )
