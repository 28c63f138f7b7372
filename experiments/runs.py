"""The runs that the tables and figures of the experiments are made of."""

import os
import sys

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow


def finished(uri: str, experiment: str) -> tuple[mlflow.MlflowClient, list]:
    """A store, and its finished runs of an experiment; ends the process where there are none."""
    client = mlflow.MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    runs = found and client.search_runs(
        [found.experiment_id], "attributes.status = 'FINISHED'", max_results=5000
    )
    if not runs:
        sys.exit(
            f"error: {uri} has no finished run of the experiment {experiment}; its YAML file in conf says how to run it"
        )
    return client, runs
