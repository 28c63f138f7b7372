"""What a job of a sweep knows of its sweep."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SweepJob:
    """A job's place in its sweep.

    `parent` is the id of the sweep's run, `launch` identifies the command that started the job,
    `constant` are the overrides that all jobs share, and `how` are the keys by which the sweeper
    makes the jobs. `number` is the job's own, `trial` that of its trial in a study.
    """

    parent: str
    launch: str
    constant: tuple[str, ...] = ()
    how: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    trial: int | None = None
