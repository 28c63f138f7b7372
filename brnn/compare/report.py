"""A comparison on the terminal."""

from brnn.compare.comparison import Comparison
from brnn.compare.sentences import conclusions, constants, heading
from brnn.compare.table import metric_table
from brnn.terminal import lines, tables


def show(comparison: Comparison) -> None:
    """Print a table per metric, the conclusions and the notes."""
    for run_id, command in comparison.sweeps.items():
        lines.note(f"sweep={run_id}  {command}")
    lines.note(heading(comparison))
    for metric in comparison.metrics:
        tables.statistics_table(metric, *metric_table(comparison, metric), len(comparison.keys))
    lines.note("")
    for text in (*conclusions(comparison), *comparison.notes, *constants(comparison)):
        lines.note(text)
