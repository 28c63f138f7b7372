"""Draw the curves of the runs of `experiment=robustness_curves`.

Command    python -m experiments.robustness.curves [store] [experiment]
Output     `robust_accuracy_by_epsilon.png` and `robust_accuracy_by_iterations.png`, with all runs
"""

from pathlib import Path

from brnn import figures
from experiments.commands import arguments
from experiments.runs import finished_runs


def main(uri: str, experiment: str) -> None:
    """Write `robust_accuracy_by_<key>.png` for both keys."""
    client, runs = finished_runs(uri, experiment)
    for key in ("epsilon", "iterations"):
        series = {run.info.run_name: points(client, run.info.run_id, key) for run in runs}
        drawn = {name: curve for name, curve in series.items() if curve}
        figure = figures.curves(drawn, key, "robust accuracy", 0.1)
        Path(f"robust_accuracy_by_{key}.png").write_bytes(figures.png(figure))


def points(client, run_id: str, key: str) -> list[tuple[float, float]]:
    """Return the curve that a run logged over a key; empty if it logged none."""
    x, y = (
        {metric.step: metric.value for metric in client.get_metric_history(run_id, f"curve/{name}")}
        for name in (key, f"robust_accuracy_by_{key}")
    )
    return [(x[step], y[step]) for step in sorted(x)]


if __name__ == "__main__":
    main(*arguments(__doc__, store="sqlite:///mlflow.db", experiment="robustness_curves"))
