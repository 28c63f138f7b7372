"""Data sets as MLflow lists them among the inputs of a run: what they are, not their arrays."""

import json
from collections.abc import Mapping
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.exceptions import MlflowException

DIGEST = 36  # characters of a digest that MLflow stores
DUPLICATE = "IntegrityError"  # in MLflow's message, where two runs enter a data set at once
CONTEXT = "mlflow.data.context"  # the tag of what a run uses data for


def described(
    name: str,
    digest: str,
    source_type: str,
    source: Mapping[str, Any],
    splits: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> dict[str, str]:
    """Return a description of a data set, of texts.

    Args:
        name: of the data set.
        digest: of all its arrays, cut to the length that MLflow stores.
        source_type: the kind of its source.
        source: the options that it is read with.
        splits: inputs and labels (x, y), whose types, shapes and rows are stated.
    """
    (x, y), *_ = splits.values()
    tensors = {"features": [_tensor(x)], "targets": [_tensor(y)]}
    schema = {key: json.dumps(value) for key, value in tensors.items()}
    return {
        "name": name,
        "digest": digest[:DIGEST],
        "source_type": source_type,
        "source": json.dumps(source),
        "schema": json.dumps({"mlflow_tensorspec": schema}),
        "profile": json.dumps({split: len(x) for split, (x, _) in splits.items()}),
    }


def send(client: mlflow.MlflowClient, run_id: str, record: Mapping[str, str]) -> None:
    """Log a described data set as an input of a run; logging it again changes nothing."""
    entered = DatasetInput(Dataset(**record), [InputTag(CONTEXT, "training")])
    try:
        client.log_inputs(run_id, [entered])
    except MlflowException as error:
        if DUPLICATE not in str(error):
            raise
        client.log_inputs(run_id, [entered])  # another job has entered it just now


def _tensor(array: np.ndarray) -> dict[str, Any]:
    """Return an array as MLflow's `TensorSpec` writes it; the number of rows is any."""
    spec = {"dtype": str(array.dtype), "shape": [-1, *array.shape[1:]]}
    return {"type": "tensor", "tensor-spec": spec}
