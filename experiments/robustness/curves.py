"""Draws the curves of the runs of `experiment=robustness_curves`, all runs in one figure for each of what is varied."""

import sys
from pathlib import Path

from brnn import figures
from experiments.runs import finished


def main(uri: str, experiment: str) -> None:
    """Reads the finished runs of an experiment from a store, and writes `robust_accuracy_by_<key>.png`."""
    client, runs = finished(uri, experiment)
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
