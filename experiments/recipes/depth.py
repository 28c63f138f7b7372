"""Which estimators still train a binary net of 3 to 30 hidden layers: test accuracy by depth.

Command    python -m experiments.recipes.depth [store] [figure]     (of mlflow.db, as depth.png)
Needs      the runs of `experiment=depth` in the store
Output     the figure, a PNG, and Markdown: means and standard deviations over the seeds
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from brnn import figures
from experiments.commands import arguments
from experiments.runs import finished_runs

STYLES = {"none": "-", "layerwise": "--"}
CHANCE = 0.1  # of ten classes

Curve = tuple[str, str]
Accuracies = dict[int, list[float]]


def main(store: str, figure: str) -> None:
    """Print the table, and draw the figure."""
    curves = accuracies(store)
    print(table(curves))
    Path(figure).write_bytes(figures.png(drawn(curves)))


def accuracies(store: str) -> dict[Curve, Accuracies]:
    """Return the test accuracies of the seeds of each depth, by estimator and progression."""
    curves: dict[Curve, Accuracies] = defaultdict(lambda: defaultdict(list))
    for run in finished_runs(store, "depth")[1]:
        if "estimator" in run.data.params:  # the parent run of a sweep has no parameters
            estimator, progression, depth = (
                run.data.params[key] for key in ("estimator", "progression", "topology.depth")
            )
            curves[estimator, progression][int(depth)].append(run.data.metrics["test/accuracy"])
    return dict(sorted(curves.items(), key=lambda item: (item[0][0], item[0][1] != "none")))


def table(curves: dict[Curve, Accuracies]) -> str:
    """Return the accuracies as Markdown: a row for each curve, a column for each depth."""
    depths = sorted({depth for points in curves.values() for depth in points})
    lines = [f"| estimator | progression | {' | '.join(map(str, depths))} |"]
    lines.append("|---" * (len(depths) + 2) + "|")
    for curve, points in curves.items():
        cells = [spread(points[depth]) if depth in points else "" for depth in depths]
        lines.append(f"| {' | '.join([*curve, *cells])} |")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Return mean and standard deviation."""
    deviation = f" ({np.std(values, ddof=1):.3f})" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}"


def drawn(curves: dict[Curve, Accuracies]) -> Figure:
    """Return the figure: a color for each estimator, a style for each progression."""
    figure = Figure((7.2, 4.2), dpi=110, layout="constrained")
    axes = figure.subplots()
    estimators = sorted({estimator for estimator, _ in curves})
    for (estimator, progression), points in curves.items():
        depths = sorted(points)
        mean = [np.mean(points[depth]) for depth in depths]
        error = [np.std(points[depth], ddof=min(1, len(points[depth]) - 1)) for depth in depths]
        axes.errorbar(
            depths,
            mean,
            error,
            color=f"C{estimators.index(estimator)}",
            linestyle=STYLES[progression],
            marker="o",
            ms=4,
            capsize=3,
            label=estimator if progression == "none" else f"{estimator}, {progression}",
        )
    axes.axhline(CHANCE, color="#999999", linewidth=1, label="chance")
    axes.set_xticks(sorted({depth for points in curves.values() for depth in points}))
    axes.set_xlabel("hidden layers")
    axes.set_ylabel("test accuracy")
    axes.set_ylim(0, 1)
    axes.grid(color="#E4E4E4")
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    main(*arguments(str(__doc__), store="sqlite:///mlflow.db", figure="depth.png"))
