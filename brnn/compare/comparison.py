"""The comparison of groups: their statistics, the tests between them, and notes on both."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from brnn.compare import metrics as measures
from brnn.compare import notes
from brnn.compare.groups import Group, grouped
from brnn.compare.selection import Selection
from brnn.compare.statistics import (
    LEVEL,
    Difference,
    difference,
    holm,
    interval,
    pareto_front,
    required,
)
from brnn.config.ranges import IntervalKind, TestKind, WhichEpoch
from brnn.errors import ComparisonError

_COMMA = re.compile(r",(?![^\[]*\])")  # outside brackets


@dataclass(frozen=True)
class Summary:
    """A metric in a group: values by replication, mean, standard deviation, 95 % interval, best.

    `best` is the replication of the best value; empty where no direction is better. Unknown numbers
    are NaN.
    """

    values: dict[str, float]
    mean: float
    std: float
    low: float
    high: float
    best: str


@dataclass(frozen=True)
class Contrast:
    """The test of a metric between two groups, by their indices.

    `p` is corrected for all tests of the comparison, `needed` the number of pairs, or of runs per
    group, that would decide; None: more than 1,000, or it is decided.
    """

    metric: str
    first: int
    second: int
    difference: Difference
    p: float
    needed: int | None

    @property
    def decided(self) -> bool:
        """Whether the difference is significant."""
        return self.p < LEVEL


@dataclass(frozen=True)
class Comparison:
    """The comparison of some runs.

    Attributes:
        over: the key whose values are replications.
        keys: the keys that distinguish the groups.
        groups: in the order of the metric that sorts them, the best first.
        metrics: those that vary among the runs.
        constant: the others, with their value.
        table: for each group the summary of each metric.
        contrasts: the tests.
        tests: the number of tests that the p-values are corrected for.
        baseline: the index of the group that others are compared with; None: all pairs.
        front: for each pair of metrics the indices of the groups on the Pareto front.
        notes: sentences about failed, missing and repeated runs, versions and trust.
        sweeps: the command lines of the sweeps by id.
    """

    over: str
    keys: list[str]
    groups: list[Group]
    metrics: list[str]
    constant: dict[str, float]
    table: list[dict[str, Summary]]
    contrasts: list[Contrast]
    tests: int
    baseline: int | None
    front: dict[tuple[str, str], list[int]]
    notes: list[str]
    sweeps: dict[str, str]

    @property
    def is_replicated(self) -> bool:
        """Whether any group has two runs."""
        return any(len(group.runs) > 1 for group in self.groups)


def compare(
    selection: Selection,
    *,
    over: str,
    metrics: list[str] | None,
    epoch: WhichEpoch,
    sort: str | None,
    baseline: str | None,
    test: TestKind,
    interval: IntervalKind,
) -> Comparison:
    """Compare the groups of some runs.

    Args:
        selection: the runs.
        over: the key whose values are replications.
        metrics: metrics by name; None: the objective of the runs and the usual ones.
        epoch: which epoch counts.
        sort: the metric that orders the groups; None: the first.
        baseline: the group that others are compared with, such as `key=value`.
        test: `t` or `wilcoxon`.
        interval: `t` or `bootstrap`.

    Raises:
        ComparisonError: no run has a metric or the key `over`, or `baseline` is not one group.
    """
    groups, lost = grouped(selection.runs, over, selection.sweeps.values())
    names = measures.chosen(metrics, selection.runs)
    if sort and sort not in names:
        names += measures.checked("sort", [sort], selection.runs)
    tables = [
        {name: summarize(measures.values(group, name, epoch), name, interval) for name in names}
        for group in groups
    ]
    constant = _constant(tables, names)
    varied = [name for name in names if name not in constant]
    order = sort or varied[0]
    groups, tables = _sorted(groups, tables, order)
    base = _baseline(groups, baseline) if baseline else None
    tested = varied if metrics else [n for n in varied if n in (order, measures.ROBUST)]
    contrasts = _contrasts(tables, tested, base, test)
    return Comparison(
        over=over,
        keys=list(groups[0].labels),
        groups=groups,
        metrics=varied,
        constant=constant,
        table=tables,
        contrasts=contrasts,
        tests=sum(not math.isnan(contrast.p) for contrast in contrasts),
        baseline=base,
        front=_fronts(tables, varied),
        notes=selection.stopped
        + notes.collect(groups, lost, over, [{n: t[n].values for n in varied} for t in tables]),
        sweeps=selection.sweeps,
    )


def summarize(values: dict[str, float], metric: str, kind: IntervalKind) -> Summary:
    """Return the statistics of a metric in one group.

    Args:
        values: by replication.
        metric: its key, which states whether high or low is best.
        kind: of the interval.
    """
    sample, sign = np.array(list(values.values())), measures.direction(metric)
    mean = float(np.mean(sample)) if values else math.nan
    std = float(np.std(sample, ddof=1)) if len(values) > 1 else math.nan
    best = max(values, key=lambda key: sign * values[key]) if values and sign else ""
    return Summary(values, mean, std, *interval(sample, kind), best)


def _sorted(
    groups: Sequence[Group], tables: Sequence[dict[str, Summary]], metric: str
) -> tuple[list[Group], list[dict[str, Summary]]]:
    """Return groups with their statistics, from the best mean of a metric to the worst."""
    sign = measures.direction(metric) or 1

    def rank(pair: tuple[Group, dict[str, Summary]]) -> tuple[bool, float, str]:
        mean = pair[1][metric].mean
        return math.isnan(mean), 0.0 if math.isnan(mean) else -sign * mean, pair[0].name

    pairs = sorted(zip(groups, tables, strict=True), key=rank)
    return [group for group, _ in pairs], [table for _, table in pairs]


def _constant(tables: Sequence[dict[str, Summary]], names: Sequence[str]) -> dict[str, float]:
    """Return the metrics of one value in all groups, unless that would be all of them.

    The number to believe stays beside what an attack claims.
    """
    values = {name: {v for t in tables for v in t[name].values.values()} for name in names}
    kept = measures.beside({name for name, numbers in values.items() if len(numbers) > 1})
    constant = {
        name: next(iter(numbers))
        for name, numbers in values.items()
        if len(numbers) == 1 and name not in kept
    }
    return constant if len(constant) < len(names) else {}


def _baseline(groups: Sequence[Group], text: str) -> int:
    """Return the index of the group whose labels a text of `key=value,…` states."""
    wanted = dict(part.partition("=")[::2] for part in _COMMA.split(text.replace(", ", ",")))
    fitting = [i for i, group in enumerate(groups) if wanted.items() <= group.labels.items()]
    if len(fitting) != 1:
        valid = [",".join(f"{k}={v}" for k, v in group.labels.items()) for group in groups]
        count = f"{len(fitting)} groups" if fitting else "no group"
        raise ComparisonError(f"baseline={text} fits {count}; the groups are: {' | '.join(valid)}")
    return fitting[0]


def _contrasts(
    tables: Sequence[dict[str, Summary]],
    metrics: Sequence[str],
    baseline: int | None,
    test: TestKind,
) -> list[Contrast]:
    indices = range(len(tables))
    pairs: Iterable[tuple[int, int]] = combinations(indices, 2)
    if baseline is not None:
        pairs = [(i, baseline) for i in indices if i != baseline]
    tested: list[tuple[str, int, int, Difference]] = []
    for metric, (i, j) in product(metrics, pairs):
        first, second, paired = measures.pair(tables[i][metric].values, tables[j][metric].values)
        if len(first) and len(second):
            tested.append((metric, i, j, difference(first, second, paired=paired, test=test)))
    adjusted = holm([d.p for *_, d in tested])
    tests = max(1, sum(not math.isnan(p) for p in adjusted))
    return [
        Contrast(metric, i, j, d, p, None if p < LEVEL else _needed(d, test, tests))
        for (metric, i, j, d), p in zip(tested, adjusted, strict=True)
    ]


def _needed(d: Difference, test: TestKind, tests: int) -> int | None:
    return required(d.effect, test=test, paired=d.paired, level=LEVEL / tests)


def _fronts(
    tables: Sequence[dict[str, Summary]], metrics: Sequence[str]
) -> dict[tuple[str, str], list[int]]:
    """Return the Pareto front of the first metric and each other one that has a direction.

    A robust accuracy of the attack alone is left out where there is one over all checks.
    """
    claimed = {measures.CLAIMED} if measures.ROBUST in metrics else set()
    directed = [m for m in metrics if measures.direction(m) and m not in claimed]
    fronts = {}
    for other in directed[1:]:
        names = (directed[0], other)
        known = [
            i for i, table in enumerate(tables) if not any(math.isnan(table[n].mean) for n in names)
        ]
        points = np.array(
            [[measures.direction(n) * tables[i][n].mean for n in names] for i in known]
        )
        if len(known) > 1:
            fronts[names] = [known[k] for k in np.flatnonzero(pareto_front(points))]
    return fronts
