"""The runs that figures of the studies show."""

import os
import sys

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
