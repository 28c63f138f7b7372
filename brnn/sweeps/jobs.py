"""Jobs of a sweep, to be called in any process."""

import os
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from brnn.config.fingerprint import IRRELEVANT_KEYS, POST_TRAINING_KEYS
from brnn.config.objective import Outcome
from brnn.errors import ConfigError, LostJobError
from brnn.sweeps.overrides import root

ENVIRONMENT = "BRNN_"  # prefix of the environment variables that a job needs on any machine


class Plugin(Protocol):
    """A launcher as Hydra has set it up."""

    context: HydraContext
    task: TaskFunction
    config: DictConfig


@dataclass(frozen=True)
class Job:
    """A job with everything that another process, or another machine, needs to run it.

    Attributes:
        context: Hydra's context.
        task: the function to call with the configuration of the job.
        config: the configuration of the sweep.
        overrides: those of the job.
        number: the number of the job.
        environment: variables to set.
        state: of Hydra's singletons.
        folder: the working directory, where it exists.
    """

    context: HydraContext
    task: TaskFunction
    config: DictConfig
    overrides: list[str]
    number: int
    environment: dict[str, str]
    state: Any
    folder: str

    def __call__(self) -> JobReturn:
        """Run the job as Hydra's own launcher does."""
        os.environ.update(self.environment)
        if Path(self.folder).is_dir():
            os.chdir(self.folder)
        setup_globals()
        Singleton.set_state(self.state)
        config = self.context.config_loader.load_sweep_config(self.config, list(self.overrides))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = self.number
        HydraConfig.instance().set_config(config)
        return run_job(
            task_function=self.task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=self.context,
        )


def check_folder(chdir: bool | None) -> None:
    """Check that the jobs of a sweep run in the current folder.

    Args:
        chdir: the key `hydra.job.chdir`.

    Raises:
        ConfigError: they do not.
    """
    if chdir:
        raise ConfigError(
            "hydra.job.chdir must be false in a sweep, got true: its jobs share a store and"
            " checkpoints, whose paths are relative to the current folder"
        )


def create_jobs(plugin: Plugin, overrides: Sequence[Sequence[str]], first: int) -> list[Job]:
    """Return a job for each list of overrides, numbered from `first`."""
    environment = {k: value for k, value in os.environ.items() if k.startswith(ENVIRONMENT)}
    shared = (environment, Singleton.get_state(), os.getcwd())
    return [
        Job(plugin.context, plugin.task, plugin.config, list(job), number, *shared)
        for number, job in enumerate(overrides, first)
    ]


def in_turns(jobs: Sequence[Job], size: int) -> list[tuple[int, Job]]:
    """Return jobs with their indices, in the order in which to start them.

    Jobs that attack the same net come after the one that trains it, and `size` nets, as many as
    there are processes, are finished before the next ones begin.
    """
    after_training = (*POST_TRAINING_KEYS, *IRRELEVANT_KEYS)
    nets: dict[Hashable, int] = {}
    attacks: Counter[Hashable] = Counter()
    turns = []
    for index, job in enumerate(jobs):
        net = frozenset(o for o in job.overrides if root(o) not in after_training)
        turns.append((nets.setdefault(net, len(nets)) // size, attacks[net], index))
        attacks[net] += 1
    return [(index, jobs[index]) for *_, index in sorted(turns)]


def outcome_of(result: JobReturn) -> Outcome | None:
    """Return the outcome of a job; none if it failed or was pruned.

    A job of another sweeper returns its objectives without their names.
    """
    value = result.return_value if result.status is JobStatus.COMPLETED else None
    if value is None or isinstance(value, Outcome):
        return value
    values = value if isinstance(value, list) else [value]
    return Outcome({f"objective {i}": v for i, v in enumerate(values, 1)}, is_skipped=False)


def lost(job: Job, reason: str) -> JobReturn:
    """Return the result of a job that ended without one."""
    error = LostJobError(" ".join(reason.split()))
    return JobReturn(overrides=job.overrides, status=JobStatus.FAILED, _return_value=error)
