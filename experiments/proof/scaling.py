"""Which nets are easy to prove: decided shares, seconds and open units of the runs of the sweeps.

Command    python -m experiments.proof.scaling [store] [figure] [experiment ...]
           (of mlflow.db, as scaling.png, with all four experiments)
Needs      the runs of `experiment=proof`, `proof_training`, `proof_sparsity` and
           `proof_convolutional` in the store
Output     the figure, a PNG, and Markdown: means and standard deviations over the seeds
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from mlflow.entities import Run

from brnn import figures
from experiments.commands import arguments
from experiments.runs import finished_runs


class Study(NamedTuple):
    """How the runs of an experiment are grouped.

    Attributes:
        keys: parameters that tell groups of runs apart, which differ only in their seed; all but
            the last name a curve.
        x: the parameter or the metric that a curve is plotted against.
    """

    keys: tuple[str, ...]
    x: str


STUDIES = {
    "proof": Study(("attack.epsilon", "topology.width", "topology.depth"), "topology.depth"),
    "proof_training": Study(("training", "attack.epsilon"), "attack.epsilon"),
    "proof_sparsity": Study(("training", "precision.kernel.scale"), "sparsity/all"),
    "proof_convolutional": Study(("topology", "attack.epsilon"), "attack.epsilon"),
}
SHOWN = {  # columns of the tables, and rows of the figure
    "certified": "attack_exact/certified",
    "undecided": "attack_exact/unknown",
    "seconds per image": "attack_exact/seconds",
    "open units": "attack_exact/open_units",
}
Group = tuple[str, ...]
Values = dict[str, np.ndarray]


def main(store: str, figure: str, experiments: Sequence[str]) -> None:
    """Print the tables, and draw the figure."""
    studies = {name: grouped(store, name, STUDIES[name]) for name in experiments}
    for name, groups in studies.items():
        print(f"\n{name}\n\n{table(STUDIES[name], groups)}")
    Path(figure).write_bytes(figures.png(drawn(studies)))


def grouped(store: str, experiment: str, study: Study) -> dict[Group, Values]:
    """Return the values of each group of runs, by the names of the columns and of x."""
    names = {**SHOWN, "test accuracy": "test/accuracy", study.x: study.x}
    groups: dict[Group, list[list[float]]] = defaultdict(list)
    for run in finished_runs(store, experiment)[1]:
        if study.keys[0] in run.data.params:  # that of a sweep has none
            group = tuple(run.data.params[key] for key in study.keys)
            groups[group].append([value(run, name) for name in names.values()])
    return {
        group: dict(zip(names, np.array(values).T, strict=True))
        for group, values in sorted(groups.items(), key=lambda item: list(map(order, item[0])))
    }


def order(parameter: str) -> tuple[float, str]:
    """Return a key that sorts numbers by their size, and words by the alphabet."""
    try:
        return float(parameter), ""
    except ValueError:
        return 0.0, parameter


def value(run: Run, name: str) -> float:
    """Return a metric or a parameter of a run."""
    return run.data.metrics[name] if name in run.data.metrics else float(run.data.params[name])


def table(study: Study, groups: dict[Group, Values]) -> str:
    """Return the means and standard deviations of groups as Markdown."""
    columns = [name for name in next(iter(groups.values())) if name not in study.keys]
    names = [*(key.rpartition(".")[2] for key in study.keys), *columns]
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for group, values in groups.items():
        cells = [spread(values[column]) for column in columns]
        lines.append(f"| {' | '.join([*group, *cells])} |")
    return "\n".join(lines)


def spread(values: np.ndarray) -> str:
    """Return mean and standard deviation, with two decimals below 10."""
    digits = 0 if np.mean(values) >= 10 else 2
    deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):,.{digits}f}{deviation}"


def drawn(studies: dict[str, dict[Group, Values]]) -> Figure:
    """Return the figure: a column of panels for each study, a row for each quantity."""
    figure = Figure((3.2 * len(studies), 2.2 * len(SHOWN)), dpi=110, layout="constrained")
    panels = figure.subplots(len(SHOWN), len(studies), squeeze=False, sharex="col", sharey="row")
    for column, (name, groups) in zip(panels.T, studies.items(), strict=True):
        study = STUDIES[name]
        curves: dict[Group, list[Values]] = defaultdict(list)
        for group, values in groups.items():
            curves[group[:-1]].append(values)
        for axes, quantity in zip(column, SHOWN, strict=True):
            for curve, points in curves.items():
                x, y = ([np.mean(p[key]) for p in points] for key in (study.x, quantity))
                error = [np.std(p[quantity], ddof=min(1, len(p[quantity]) - 1)) for p in points]
                axes.errorbar(x, y, error, marker="o", ms=4, capsize=3, label=", ".join(curve))
            axes.grid(color="#E4E4E4")
        keys = ", ".join(key.rpartition(".")[2] for key in study.keys[:-1])
        column[0].legend(fontsize=7, title=keys, title_fontsize=7, frameon=False)
        column[0].set_title(name, fontsize=10)
        column[-1].set_xlabel(study.x, fontsize=9)
        if study.x in study.keys:
            column[-1].set_xticks(sorted({float(group[-1]) for group in groups}))
    for axes, quantity in zip(panels[:, 0], SHOWN, strict=True):
        axes.set_ylabel(quantity, fontsize=9)
    for axes in panels[-1]:
        axes.set_yscale("log")
    return figure


if __name__ == "__main__":
    main(
        *arguments(
            str(__doc__),
            store="sqlite:///mlflow.db",
            figure="scaling.png",
            experiments=tuple(STUDIES),
        )
    )
