"""The tests of a comparison in words."""

import math
from collections.abc import Iterator

from brnn.compare import metrics as measures
from brnn.compare.comparison import Comparison, Contrast
from brnn.compare.notes import versions
from brnn.compare.statistics import MOST, POWER


def heading(comparison: Comparison) -> str:
    """Return what is compared, in one line."""
    runs = sum(len(group.runs) for group in comparison.groups)
    planned = sum(group.planned for group in comparison.groups)
    counted = f"{runs}" if runs == planned else f"{runs} of {planned}"
    by = f" by {', '.join(comparison.keys)}" if comparison.keys else ""
    groups = f"{len(comparison.groups)} group{'s' * (len(comparison.groups) != 1)}"
    count = len(versions(comparison.groups))
    code = f", of {count} versions of the code" if count > 1 else ""
    return f"{counted} run{'s' * (planned != 1)} in {groups}{by}, over {comparison.over}{code}"


def conclusions(comparison: Comparison) -> list[str]:
    """Return a sentence for each test to read first: with the baseline, else with the best group.

    The p-values are corrected for all tests, those without a sentence included.
    """
    shown = [
        contrast
        for contrast in comparison.contrasts
        if comparison.is_replicated
        and (comparison.baseline is not None or _best(comparison, contrast))
    ]
    return [sentence(comparison, contrast) for contrast in shown] + list(_fronts(comparison))


def constants(comparison: Comparison) -> list[str]:
    """Return a sentence with the metrics that are equal in all runs."""
    if not comparison.constant:
        return []
    equal = ", ".join(f"{name} {value:.4g}" for name, value in comparison.constant.items())
    return [f"equal in all runs: {equal}"]


def sentence(comparison: Comparison, contrast: Contrast) -> str:
    """Return a test in words: which group is better, by how much, and how sure that is."""
    d, metric = contrast.difference, contrast.metric
    first, second = (comparison.groups[i].name for i in (contrast.first, contrast.second))
    count = _counted(comparison, contrast)
    if d.count < 2:
        more = f"{comparison.over}='range(5)'"
        return f"{metric}: one run says nothing about {first} and {second}; add {more}"
    if math.isnan(d.p):
        what = f"differ by exactly {abs(d.mean):.4g}" if d.mean else "are equal"
        return f"{metric}: {first} and {second} {what} in all {count}"
    facts = f"p {_p(contrast.p)} after Holm, {count}, effect {abs(d.effect):.2g}"
    if not contrast.decided:
        return (
            f"{metric}: no decision between {first} and {second}: difference {_difference(d.mean)},"
            f" 95 % {_span(d.low, d.high)}, {facts}; {_needed(contrast)}"
        )
    sign = measures.direction(metric)
    better, worse = (first, second) if (sign or 1) * d.mean > 0 else (second, first)
    low, high = (d.low, d.high) if d.mean > 0 else (-d.high, -d.low)
    return (
        f"{metric}: {better} {'beats' if sign else 'is above'} {worse} by"
        f" {_difference(abs(d.mean))}, 95 % {_span(low, high)}, {facts}"
    )


def _best(comparison: Comparison, contrast: Contrast) -> bool:
    """Return whether a test has the group with the best mean of its metric."""
    sign = measures.direction(contrast.metric) or 1
    means = [sign * table[contrast.metric].mean for table in comparison.table]
    known = [i for i, mean in enumerate(means) if not math.isnan(mean)]
    return max(known, key=means.__getitem__) in (contrast.first, contrast.second)


def _counted(comparison: Comparison, contrast: Contrast) -> str:
    if contrast.difference.paired:
        return f"{contrast.difference.count} pairs"
    first, second = (
        len(comparison.table[i][contrast.metric].values) for i in (contrast.first, contrast.second)
    )
    return f"{first} and {second} runs"


def _needed(contrast: Contrast) -> str:
    unit = "pairs" if contrast.difference.paired else "runs each"
    if contrast.needed is None:
        return f"more than {MOST:,} {unit} would be needed"
    return f"about {contrast.needed} {unit} would decide (power {POWER})"


def _fronts(comparison: Comparison) -> Iterator[str]:
    for (first, second), indices in comparison.front.items():
        if len(comparison.groups) > 1:
            names = ", ".join(comparison.groups[i].name for i in indices)
            yield f"Pareto front of {first} and {second}: {names}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"


def _difference(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) >= 1e-3 else f"{value:.2g}"


def _span(low: float, high: float) -> str:
    return f"{_difference(low)} to {_difference(high)}"
