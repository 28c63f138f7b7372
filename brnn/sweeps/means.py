"""The means of the objectives over the seeds of a sweep's finished groups."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean, stdev

from hydra.core.utils import JobReturn

from brnn.sweeps.jobs import Job, outcome_of
from brnn.sweeps.overrides import root
from brnn.terminal.numbers import number


class GroupMeans:
    """The objectives of a sweep's jobs, by their overrides without the seed."""

    def __init__(self, jobs: Sequence[Job]):
        self._groups = [_group(job.overrides) for job in jobs]
        self._common = set.intersection(*map(set, self._groups)) if jobs else set()
        self._outcomes: dict[tuple[str, ...], list[dict[str, float]]] = defaultdict(list)

    def finished(self, index: int, result: JobReturn) -> str:
        """Add the result of a job; return a line with the mean of its group if that is complete.

        Args:
            index: of the job.
            result: of the job; what failed has no objective.
        """
        group, outcome = self._groups[index], outcome_of(result)
        self._outcomes[group].append(outcome.objectives if outcome else {})
        outcomes, planned = self._outcomes[group], self._groups.count(group)
        if planned < 2 or len(outcomes) < planned:
            return ""
        known = [values for values in outcomes if all(v == v for v in values.values()) and values]
        name = " ".join(o for o in group if o not in self._common) or "all jobs"
        means = [f"{key} {_mean([values[key] for values in known])}" for key in (known or [{}])[0]]
        return f"{name}: {', '.join(means) or 'failed'}, {len(known)} of {planned} jobs"


def _group(overrides: Sequence[str]) -> tuple[str, ...]:
    return tuple(override for override in overrides if root(override) != "seed")


def _mean(values: Sequence[float]) -> str:
    spread = f" ± {number(stdev(values))}" if len(values) > 1 else ""
    return f"{number(fmean(values))}{spread}"
