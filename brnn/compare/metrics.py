"""Metrics of a comparison: which are shown, which way is better, the values of a group."""

import difflib
import json
import math
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Protocol

import numpy as np

from brnn.compare.groups import Group
from brnn.compare.selection import SelectedRun
from brnn.config.ranges import WhichEpoch
from brnn.errors import ComparisonError

ROBUST = "trust/robust_accuracy"  # the number to believe
CLAIMED = "attack/robust_accuracy"  # of the attack alone
USUAL = (
    "test/accuracy",
    "test/bits_per_character",
    ROBUST,
    CLAIMED,
    "sparsity/all",
    "size/bits_per_weight",
)
REGRESSION = "test/loss"  # shown where there is no accuracy
TRUSTED = "trusted"  # the tag of a run with the verdict on its robust accuracy
HIGHER = ("accuracy", "images_per_second")
LOWER = (
    "loss",
    "bits_per_",
    "_bytes",
    "perplexity",
    "success_rate",
    "broke",
    "time/",
    "cost/",
)  # parts of names


class HasMetrics(Protocol):
    """A run, or its data: parameters and the last values of metrics."""

    @property
    def params(self) -> Mapping[str, str]: ...

    @property
    def metrics(self) -> Mapping[str, float]: ...


def direction(metric: str) -> int:
    """Return 1 where a higher value is better, -1 where a lower one is, else 0."""
    if any(part in metric for part in HIGHER):
        return 1
    return -1 if any(part in metric for part in LOWER) else 0


def is_robust(metric: str) -> bool:
    """Return whether a metric is a robust accuracy, which never stands without its verdict."""
    return "robust_accuracy" in metric


def beside(shown: Set[str]) -> Set[str]:
    """Return metrics with the number to believe, if what an attack alone claims is among them."""
    return shown | ({ROBUST} if CLAIMED in shown else set())


def chosen(given: Sequence[str] | None, runs: Sequence[SelectedRun]) -> list[str]:
    """Return the given metrics, each once, else the objectives of the runs and the usual metrics.

    Raises:
        ComparisonError: no run has a given metric, or any metric.
    """
    if not any(run.metrics for run in runs):
        raise ComparisonError(f"none of the {len(runs)} runs has a metric")
    return checked("metrics", given, runs) if given else usual(runs)


def checked(key: str, given: Iterable[str], runs: Iterable[HasMetrics]) -> list[str]:
    """Return metrics that a key names, each once.

    Raises:
        ComparisonError: no run has one of them.
    """
    present = sorted({metric for run in runs for metric in run.metrics})
    for metric in given:
        if metric not in present:
            near = difflib.get_close_matches(metric, present, n=3, cutoff=0.5)
            nearest = f"; the nearest are: {', '.join(near)}" if near else ""
            raise ComparisonError(
                f"{key}: no run has {metric or 'a metric without a name'}{nearest}"
            )
    return list(dict.fromkeys(given))


def usual(runs: Iterable[HasMetrics]) -> list[str]:
    """Return the objectives of some runs and the usual metrics, as far as any run has them."""
    runs = list(runs)
    objectives = [key for run in runs for key in _objectives(run.params)]
    present = {key for run in runs for key in run.metrics}
    shown = [key for key in dict.fromkeys([*objectives, *USUAL]) if key in present]
    has_quality = any(direction(key) for key in shown if key.startswith("test/"))
    return shown if has_quality or REGRESSION not in present else [REGRESSION, *shown]


def values(group: Group, metric: str, epoch: WhichEpoch) -> dict[str, float]:
    """Return the finite values of a metric in a group, by replication.

    Args:
        group: the runs.
        metric: its key.
        epoch: `last`, or `best`: the epoch of the metric `best/epoch`; metrics that are logged
            once have the same value in both.
    """
    known = {key: _value(run, metric, epoch) for key, run in group.runs.items()}
    return {key: value for key, value in known.items() if math.isfinite(value)}


def pair(first: dict[str, float], second: dict[str, float]) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return two samples, and whether they pair: most of their replications are in both.

    Args:
        first: values by replication.
        second: others.
    """
    common = sorted(first.keys() & second.keys())
    if len(common) >= 2 and 2 * len(common) > len(first.keys() | second.keys()):
        return (
            np.array([first[key] for key in common]),
            np.array([second[key] for key in common]),
            True,
        )
    return np.array(list(first.values())), np.array(list(second.values())), False


def trusted(group: Group) -> tuple[int, int]:
    """Return how many runs of a group have a trusted robust accuracy, and how many were checked."""
    verdicts = [run.tags[TRUSTED] for run in group.runs.values() if TRUSTED in run.tags]
    return verdicts.count("yes"), len(verdicts)


def _value(run: SelectedRun, metric: str, epoch: WhichEpoch) -> float:
    last = run.metrics.get(metric, math.nan)
    if epoch == "last" or "best/epoch" not in run.metrics:
        return last
    return run.history(metric).get(int(run.metrics["best/epoch"]), last)


def _objectives(params: Mapping[str, str]) -> list[str]:
    text = params.get("objective", "")
    return json.loads(text) if text.startswith("[") else [text]
