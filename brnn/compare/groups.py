"""Groups: runs that differ in their seed alone."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from brnn.compare.selection import SelectedRun
from brnn.config import groups as options
from brnn.config.fingerprint import IRRELEVANT_KEYS
from brnn.errors import ComparisonError, did_you_mean
from brnn.tracking.tag_names import RECORD

CHOICES = {*options.GROUPS, "optimizer", "recipe"}  # keys whose values name themselves
_SWEPT_KEY = re.compile(r"(?:^|\s)[+~]*([\w./@]+)=")


@dataclass(frozen=True)
class Group:
    """Runs of equal options.

    Attributes:
        labels: the value of each key that distinguishes the groups.
        runs: the newest finished run of each replication, by the value of the key `over`.
        repeated: how many finished runs a replication has, where there are several.
        unfinished: the runs that did not finish, of replications that no other run finished.
        missing: replications of other groups that this one lacks.
    """

    labels: dict[str, str]
    runs: dict[str, SelectedRun]
    repeated: dict[str, int]
    unfinished: list[SelectedRun]
    missing: list[str]

    @property
    def name(self) -> str:
        """The values of the labels in one line."""
        values = [v if k in CHOICES else f"{k}={v}" for k, v in self.labels.items() if v]
        without = f"without {', '.join(self.labels)}" if self.labels else "all runs"
        return " ".join(values) or without

    @property
    def planned(self) -> int:
        """The number of replications, those that failed or are missing included."""
        return len(self.runs) + len(self.unfinished) + len(self.missing)


def grouped(
    runs: Sequence[SelectedRun], over: str, sweeps: Iterable[str]
) -> tuple[list[Group], list[SelectedRun]]:
    """Divide runs into groups by what varies among them.

    Args:
        runs: the runs.
        over: the key whose values are replications.
        sweeps: the command lines that started the runs; their keys label groups first.

    Returns:
        The groups, and the runs whose group is unknown: they failed before their parameters were
        logged, and no tag states them.

    Raises:
        ComparisonError: no run has the key `over`.
    """
    known = [run for run in runs if run.params]
    stated = [_with_stated(run, known) for run in runs if not run.params]
    keys = sorted({key for run in known for key in run.params})
    if over not in keys:
        raise ComparisonError(
            f"over={over} is not a parameter of these runs{did_you_mean(over, keys)}"
        )
    swept, others = (
        [key for key in part if key != over] for part in _possible_labels(keys, sweeps)
    )
    labels = _labels([*known, *stated], swept, others)
    placed = [run for run in stated if {*labels, over} <= run.params.keys()]
    known, lost = [*known, *placed], [run for run in stated if run not in placed]
    members: dict[tuple[str, ...], list[SelectedRun]] = {}
    for run in sorted(known, key=lambda run: run.started):
        members.setdefault(tuple(value_of(run, key) for key in labels), []).append(run)
    replications = {value_of(run, over) for run in known}
    groups = [
        _group(dict(zip(labels, values, strict=True)), inside, over, replications)
        for values, inside in members.items()
    ]
    return groups, lost


def _possible_labels(keys: Iterable[str], sweeps: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return keys that may distinguish runs: those that were swept, and others.

    A choice stands before the keys of its options, choices of a group before other keys.
    """
    named = [key for line in sweeps for key in _SWEPT_KEY.findall(line)]
    swept = [key for name in named for key in (name.partition(".")[0], name)]
    relevant = [key for key in keys if key.partition(".")[0] not in IRRELEVANT_KEYS]
    first = [key for key in dict.fromkeys(swept) if key in relevant]
    others = sorted(set(relevant) - set(first), key=lambda k: (k not in CHOICES, "." in k, k))
    return first, others


def _labels(runs: Sequence[SelectedRun], swept: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the keys that vary, without those that follow from others, in the given order.

    What a run lacks a key for, such as an estimator without effect, is better told by a key that
    all runs have: of the swept keys, and then of the others, those are considered first.
    """
    chosen: list[str] = []

    def is_partial(key: str) -> bool:
        return any(key not in run.params for run in runs)

    for key in (*sorted(swept, key=is_partial), *sorted(others, key=is_partial)):
        having = [run for run in runs if key in run.params]
        parts = {tuple(value_of(run, k) for k in chosen) for run in having}
        finer = {tuple(value_of(run, k) for k in (*chosen, key)) for run in having}
        if len(finer) > len(parts):
            chosen.append(key)
    return sorted(chosen, key=[*swept, *others].index)


def _with_stated(run: SelectedRun, known: Sequence[SelectedRun]) -> SelectedRun:
    """Return a run without parameters with those that its tag states, and that all others share."""
    values: dict[str, set[str]] = {}
    for other in known:
        for key, value in other.params.items():
            values.setdefault(key, set()).add(value)
    shared = {key: next(iter(texts)) for key, texts in values.items() if len(texts) == 1}
    overrides = json.loads(run.tags.get(RECORD, "[]"))
    stated = dict(override.lstrip("+").partition("=")[::2] for override in overrides)
    return replace(run, params=shared | stated)


def _group(
    labels: dict[str, str], runs: Sequence[SelectedRun], over: str, replications: set[str]
) -> Group:
    """Return a group of runs, which are given from the oldest to the newest."""
    finished = [run for run in runs if run.status == "finished"]
    newest = {value_of(run, over): run for run in finished}
    others = {value_of(run, over): run for run in runs if run.status != "finished"}
    counts = Counter(value_of(run, over) for run in finished)
    return Group(
        labels,
        dict(sorted(newest.items(), key=lambda item: _natural(item[0]))),
        {key: count for key, count in counts.items() if count > 1},
        [run for key, run in others.items() if key not in newest],
        sorted(replications - newest.keys() - others.keys(), key=_natural),
    )


def value_of(run: SelectedRun, key: str) -> str:
    """Return the value of a parameter as a person writes it: [3,3] for [3, 3]."""
    text = run.params.get(key, "")
    if not text.startswith("["):
        return text
    with suppress(json.JSONDecodeError):  # a long one is cut in the store
        parts = [v if isinstance(v, str) else json.dumps(v) for v in json.loads(text)]
        return f"[{','.join(parts)}]"
    return text


def _natural(value: str) -> tuple[float, str]:
    """Order whole numbers by value, before other texts."""
    return (float(value), "") if value.isdecimal() else (float("inf"), value)
