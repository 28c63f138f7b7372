"""The tables of a comparison as rows of text: one per metric, and a wide one of all metrics."""

import math

from brnn.compare import metrics as measures
from brnn.compare.comparison import Comparison, Summary
from brnn.compare.groups import Group
from brnn.terminal.numbers import number

STATISTICS = ["n", "mean", "std", "95 % interval", "best"]
Rows = list[list[str]]


def metric_table(comparison: Comparison, metric: str) -> tuple[list[str], Rows]:
    """Return the heading of the columns, and a row for each group.

    Args:
        comparison: the groups with their statistics.
        metric: the metric of the table; a robust accuracy has a column with its verdicts.
    """
    verdicts = [measures.TRUSTED] if measures.is_robust(metric) else []
    rows = []
    for group, summaries in zip(comparison.groups, comparison.table, strict=True):
        summary = summaries[metric]
        best = summary.values[summary.best] if summary.best else math.nan
        cells = [known(summary.mean), known(summary.std), span(summary), known(best)]
        row = [*group.labels.values(), counted(group, len(summary.values)), *cells]
        rows.append([*row, *([verdict(group)] if verdicts else [])])
    return [*comparison.keys, *STATISTICS, *verdicts], rows


def wide_table(comparison: Comparison) -> tuple[list[str], Rows]:
    """Return the heading and the rows of a table of all metrics, each as `mean ± std`."""
    robust = any(map(measures.is_robust, comparison.metrics))
    rows = []
    for group, summaries in zip(comparison.groups, comparison.table, strict=True):
        cells = [spread(summaries[metric]) for metric in comparison.metrics]
        row = [*group.labels.values(), counted(group, len(group.runs)), *cells]
        rows.append([*row, *([verdict(group)] if robust else [])])
    verdicts = [measures.TRUSTED] if robust else []
    return [*comparison.keys, "n", *comparison.metrics, *verdicts], rows


def best_groups(comparison: Comparison, metric: str) -> set[int]:
    """Return the indices of the groups with the best mean.

    There are none where no direction is better, or where the metric is what an attack alone claims.
    """
    sign = 0 if metric == measures.CLAIMED else measures.direction(metric)
    means = [sign * table[metric].mean for table in comparison.table]
    known_means = [mean for mean in means if not math.isnan(mean)]
    if not sign or not known_means:
        return set()
    return {i for i, mean in enumerate(means) if mean == max(known_means)}


def counted(group: Group, count: int) -> str:
    """Return the number of values, and the number of planned runs where it is another."""
    return f"{count}" if count == group.planned else f"{count} of {group.planned}"


def verdict(group: Group) -> str:
    """Return how many of the checked runs of a group are trusted."""
    yes, checked = measures.trusted(group)
    return f"{yes} of {checked}" if checked else "not checked"


def spread(summary: Summary, sign: str = "±") -> str:
    """Return `mean ± std`, or the mean of a single value, or nothing."""
    if math.isnan(summary.std):
        return known(summary.mean)
    return f"{number(summary.mean)} {sign} {number(summary.std)}"


def span(summary: Summary) -> str:
    """Return the 95 % interval, or nothing."""
    if math.isnan(summary.low):
        return ""
    return f"{number(summary.low)} to {number(summary.high)}"


def known(value: float) -> str:
    """Return a number, or nothing for NaN."""
    return "" if math.isnan(value) else number(value)
