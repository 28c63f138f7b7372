"""The runs that tables and figures of the studies show."""

import os
import sys
from statistics import mean, stdev

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
from mlflow.entities import Run


def finished_runs(uri: str, experiment: str) -> tuple[mlflow.MlflowClient, list[Run]]:
    """Return the client of a store, and the finished runs of an experiment.

    Ends the process with an error if there are none.
    """
    client = mlflow.MlflowClient(uri)
    record = client.get_experiment_by_name(experiment)
    runs = record and client.search_runs(
        [record.experiment_id], "attributes.status = 'FINISHED'", max_results=5000
    )
    if not runs:
        sys.exit(
            f"error: {uri} has no finished run of the experiment {experiment};"
            " the files in conf/experiment state the commands that make them"
        )
    return client, runs


def spread(values: list[float]) -> str:
    """Return `mean (standard deviation)`; the deviation of a single value is shown as 0."""
    return f"{mean(values):.3f} ({stdev(values) if len(values) > 1 else 0:.3f})"
