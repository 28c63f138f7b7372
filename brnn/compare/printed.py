"""The figures of a comparison as files."""

import re
from pathlib import Path

from brnn import figures as pictures
from brnn.compare.comparison import Comparison
from brnn.compare.interactive import CURVES
from brnn.compare.statistics import by_step
from brnn.figures import groups as drawings
from brnn.writing import whole

KINDS: tuple[pictures.Kind, ...] = ("png", "svg")


def write_figures(comparison: Comparison, folder: Path) -> list[Path]:
    """Write each metric by group and the learning curves, as PNG and SVG; return the files.

    Args:
        comparison: the groups with their statistics.
        folder: where to; it is created.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {}
    for metric in comparison.metrics:
        samples = {
            group.name: drawings.Sample(
                list(table[metric].values.values()),
                table[metric].mean,
                table[metric].low,
                table[metric].high,
            )
            for group, table in zip(comparison.groups, comparison.table, strict=True)
        }
        figures[metric] = drawings.strip(samples, metric)
    for metric in CURVES:
        histories = {
            group.name: [h for run in group.runs.values() if len(h := run.history(metric)) > 1]
            for group in comparison.groups
        }
        curves = {n: drawings.Curve(*by_step(runs)) for n, runs in histories.items() if runs}
        if curves:
            figures[f"{metric} by epoch"] = drawings.bands(curves, metric)
    paths = []
    for title, figure in figures.items():
        for kind in KINDS:
            path = folder / f"{re.sub('[^a-z0-9]+', '_', title.lower())}.{kind}"
            with whole(path) as file:
                file.write(pictures.image(figure, kind))
            paths.append(path)
    return paths
