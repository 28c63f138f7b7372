"""Draws the curves of the runs of `experiment=robustness_curves`, all runs in one figure for each of what is varied."""

import os
import sys
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow

from brnn import figures


def main(uri: str, experiment: str) -> None:
    """Reads the finished runs of an experiment from a store, and writes `robust_accuracy_by_<key>.png`."""
    client = mlflow.MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], "attributes.status = 'FINISHED'", max_results=5000)
    for key in ("epsilon", "iterations"):
        series = {run.info.run_name: points(client, run.info.run_id, key) for run in runs}
        figure = figures.curves(
            {name: points for name, points in series.items() if points}, key, "robust accuracy", 0.1
        )
        Path(f"robust_accuracy_by_{key}.png").write_bytes(figures.png(figure))


def points(client, run_id, key):
    """The curve that a run logged, as points."""
    x, y = (
        {metric.step: metric.value for metric in client.get_metric_history(run_id, f"curve/{name}")}
        for name in (key, f"robust_accuracy_by_{key}")
    )
    return [(x[step], y[step]) for step in sorted(x)]


if __name__ == "__main__":
    main(*(sys.argv[1:] or ("sqlite:///mlflow.db", "robustness_curves")))
