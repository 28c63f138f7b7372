"""The data that a job receives from its sweep."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SweepJob:
    """The position of a job in its sweep.

    Attributes:
        parent: the id of the sweep's run.
        launch: identifies the command that started the job.
        constant: the overrides that are equal in all jobs.
        sweeper: the keys of the sweeper that created the job.
        number: the index of the job, from 0.
        trial: the number of its trial in an Optuna study, if it has one.
    """

    parent: str
    launch: str
    constant: tuple[str, ...] = ()
    sweeper: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    trial: int | None = None
