"""One job of a sweep: a child of the sweep's run."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from brnn import signals
from brnn.config.objective import Outcome
from brnn.config.run_name import varied_name
from brnn.contracts import OnEpoch
from brnn.errors import TRACEBACK, PrunedError, TrackingError
from brnn.terminal import lines
from brnn.tracking.process import owner
from brnn.tracking.sweep_job import SweepJob


@dataclass(frozen=True)
class SweepTask:
    """The task function of a launch.

    Attributes:
        function: called with the configuration of a job and its `SweepJob`.
        common: the data that all jobs share.
        trials: the number of the trial of each job by the job's number; empty without a study.
    """

    function: Callable[[DictConfig, SweepJob], Outcome | None]
    common: SweepJob
    trials: dict[int, int]

    def __call__(self, composed: DictConfig) -> Outcome | None:
        """Run the job whose number Hydra has set."""
        number = HydraConfig.get().job.num
        job = replace(self.common, number=number, trial=self.trials.get(number))
        return self.function(composed, job)


def run_child(
    options: dict[str, Any],
    run: Callable[[dict[str, Any], SweepJob, Sequence[str], OnEpoch, str], Outcome],
    job: SweepJob,
    command: str,
) -> Outcome | None:
    """Run one job of a sweep; an error is printed and recorded, and does not end the sweep.

    Args:
        options: the configuration of the job, unchecked.
        run: called with the configuration, the job, the overrides that distinguish it, `on_epoch`,
            and the command.
        job: its position in the sweep.
        command: the command line that repeats the job alone.

    Returns:
        What the run returns; none if the job failed or was pruned.
    """
    began, overrides = time.time(), list(HydraConfig.get().overrides.task)
    varied = [override for override in overrides if override not in job.constant]
    name = " ".join(varied)
    try:
        return run(options, job, varied, _on_epoch(options, job), command)
    except PrunedError as reason:
        lines.note(f"{name}: {reason}")
    except Exception as error:
        signals.check()
        if os.environ.get(TRACEBACK):
            raise
        lines.error(f"{name}: {error}")
        try:
            _record(options, job, varied, error, began)
        except TrackingError:  # the launcher returns the first error to the sweep
            raise error from None
    return None


def _on_epoch(options: dict[str, Any], job: SweepJob) -> OnEpoch:
    if job.trial is None:
        return lambda epoch, metrics: True
    from brnn.sweeps import search

    return search.pruning(job.sweeper, job.trial, options["monitor"])


def _record(
    options: dict[str, Any], job: SweepJob, varied: Sequence[str], error: Exception, began: float
) -> None:
    """Create a failed run for a job that failed before its own run was created."""
    from brnn.tracking import tag_names
    from brnn.tracking.failed_run import failed_run
    from brnn.tracking.store import open_store

    store = open_store(**options["tracking"])
    runs = [r for r in store.children(job.parent) if r.data.tags.get(tag_names.OWNER) == owner()]
    if any((run.info.end_time or 0) >= int(began * 1000) for run in runs):
        return
    with suppress(type(error)), failed_run(store, options, varied_name(varied), job, varied):
        raise error
