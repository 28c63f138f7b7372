"""The means of the objective over the seeds of a sweep's finished groups."""

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean, stdev

from hydra.core.utils import JobReturn, JobStatus

from brnn.sweeps.jobs import Job
from brnn.sweeps.overrides import root
from brnn.terminal.numbers import number

Values = list[float]


class GroupMeans:
    """The objectives of a sweep's jobs, by their overrides without the seed."""

    def __init__(self, jobs: Sequence[Job]):
        self._groups = [_group(job.overrides) for job in jobs]
        self._common = set.intersection(*map(set, self._groups)) if jobs else set()
        self._objectives: dict[tuple[str, ...], list[Values]] = defaultdict(list)

    def finished(self, index: int, result: JobReturn) -> str:
        """Add the result of a job; return a line with the mean of its group if that is complete.

        Args:
            index: of the job.
            result: of the job; what failed has no objective.
        """
        group = self._groups[index]
        value = result.return_value if result.status is JobStatus.COMPLETED else math.nan
        self._objectives[group].append(value if isinstance(value, list) else [value])
        objectives, planned = self._objectives[group], self._groups.count(group)
        if planned < 2 or len(objectives) < planned:
            return ""
        known = [values for values in objectives if not any(v is None or v != v for v in values)]
        name = " ".join(o for o in group if o not in self._common) or "all jobs"
        counted = f"{len(known)} of {planned} jobs"
        means = ", ".join(map(_mean, zip(*known, strict=True))) or "failed"
        return f"{name}: objective {means}, {counted}"


def _group(overrides: Sequence[str]) -> tuple[str, ...]:
    return tuple(override for override in overrides if root(override) != "seed")


def _mean(values: Sequence[float]) -> str:
    spread = f" ± {number(stdev(values))}" if len(values) > 1 else ""
    return f"{number(fmean(values))}{spread}"
