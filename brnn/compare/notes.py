"""Notes on a comparison: runs that do not count, versions of the code, trust."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from brnn.compare.groups import Group
from brnn.compare.metrics import CLAIMED, TRUSTED
from brnn.compare.selection import SelectedRun

Values = Mapping[str, Mapping[str, float]]
"""The values of each metric by replication."""


def collect(
    groups: Sequence[Group], lost: Sequence[SelectedRun], over: str, tables: Sequence[Values]
) -> list[str]:
    """Return sentences about what the statistics leave out, and what they rest on.

    Args:
        groups: the groups.
        lost: runs whose group is unknown.
        over: the key whose values are replications.
        tables: the values of the metrics in each group.
    """
    result = [*_incomplete(groups, lost, over), *_without_effect(groups, over)]
    for group, values in zip(groups, tables, strict=True):
        result += _without_value(group, values)
    result += [
        f"{a.name} and {b.name} have equal values in every run: what distinguishes them has no"
        " effect here"
        for (a, x), (b, y) in combinations(zip(groups, tables, strict=True), 2)
        if x == y and any(x.values())
    ]
    result += _versions(groups)
    if any(CLAIMED in values for values in tables):
        result += _untrusted(groups)
    return result


def single(over: str) -> str:
    """Return the sentence for groups of one run."""
    return (
        "each group has at most one run: nothing can be said about differences; add"
        f" {over}='range(5)' to the sweep"
    )


def _incomplete(groups: Sequence[Group], lost: Sequence[SelectedRun], over: str) -> Iterator[str]:
    for group in groups:
        for count in sorted(set(group.repeated.values())):
            keys = ",".join(key for key, number in group.repeated.items() if number == count)
            yield f"{group.name} has {count} runs of {over}={keys}; the newest counts"
        for status, count in Counter(run.status for run in group.unfinished).items():
            yield f"{group.name}: {count} {status}{_reasons(group.unfinished, status)}"
        if group.missing:
            yield f"{group.name} has no run of {over}={','.join(group.missing)}"
    if lost:
        names = ", ".join(run.name for run in lost)
        yield f"{len(lost)} failed before their group was known: {names}"
    if all(len(group.runs) < 2 for group in groups):
        yield single(over)


def _without_effect(groups: Sequence[Group], over: str) -> Iterator[str]:
    from brnn.tracking.tag_names import WITHOUT_EFFECT

    for group in groups:
        tagged = {run.tags.get(WITHOUT_EFFECT) for run in group.runs.values()}
        for key in tagged & group.labels.keys():
            yield f"{group.name}: {key} has no effect; its values share one run of each {over}"


def _reasons(runs: Sequence[SelectedRun], status: str) -> str:
    """Return the errors of runs, each once."""
    errors = [run.tags.get("error", "") for run in runs if run.status == status]
    return "".join(f" ({error})" for error in dict.fromkeys(filter(None, errors)))


def _without_value(group: Group, tables: Values) -> list[str]:
    lacking = {metric: group.runs.keys() - values.keys() for metric, values in tables.items()}
    return [
        f"{group.name}: {len(keys)} of {len(group.runs)} runs have no finite {metric}"
        for metric, keys in lacking.items()
        if keys
    ]


def versions(groups: Iterable[Group]) -> Counter[str]:
    """Return the versions of the code that the runs of groups are of, and how many are of each."""
    return Counter(_version(run.tags) for group in groups for run in group.runs.values())


def _versions(groups: Sequence[Group]) -> list[str]:
    """Return a sentence where the runs are of several versions of the code."""
    counts = versions(groups)
    if len(counts) < 2:
        return []
    listed = ", ".join(f"{version} ({count} runs)" for version, count in counts.items())
    return [f"runs of {len(counts)} versions of the code: {listed}"]


def _version(tags: Mapping[str, str]) -> str:
    commit = tags.get("git_commit", "")[:7]
    changed = "+changes" if tags.get("git_changed") == "true" else ""
    return " ".join(filter(None, [tags.get("brnn_version", "unknown"), commit + changed]))


def _untrusted(groups: Sequence[Group]) -> list[str]:
    """Return a sentence about the runs whose claimed robust accuracy is not to be believed."""
    verdicts = {group.name: _verdicts(group) for group in groups}
    checked = [verdict for texts in verdicts.values() for verdict in texts]
    doubted = {name: [t for t in texts if t != "yes"] for name, texts in verdicts.items()}
    reasons = [verdict for texts in doubted.values() for verdict in texts]
    if not reasons:
        return []
    listed = ", ".join(f"{name} {len(texts)}" for name, texts in doubted.items() if texts)
    return [
        f"{CLAIMED} is not trusted in {len(reasons)} of {len(checked)} runs ({listed}); the number"
        f" to believe is trust/robust_accuracy; first verdict: {reasons[0]}"
    ]


def _verdicts(group: Group) -> list[str]:
    return [run.tags[TRUSTED] for run in group.runs.values() if TRUSTED in run.tags]
