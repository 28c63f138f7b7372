"""Launchers: where the jobs of a sweep run.

A launcher takes jobs and returns their results in the same order. A job whose process is lost is
started again, and continues from its checkpoint; if it is lost every time, its result is a failure.
Engines for several machines are optional packages.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from hydra.core.utils import JobReturn

from brnn import paths
from brnn.errors import ConfigError, require
from brnn.sweeps import pools
from brnn.sweeps.cores import process_count
from brnn.sweeps.jobs import Job, in_turns, lost, outcome_of
from brnn.sweeps.means import GroupMeans
from brnn.terminal import lines
from brnn.terminal.relay import Message
from brnn.terminal.sweep_progress import is_shown, sweep_progress

STORE_VARIABLES = ("MLFLOW_TRACKING_", "MLFLOW_EXPERIMENT_")  # of the nodes of Ray; Slurm has them


def processes(jobs: Sequence[Job], *, n_jobs: int | None, attempts: int) -> list[JobReturn]:
    """Run jobs in processes of this machine, which share its cores.

    When a process is killed, the jobs that were running are repeated one at a time, so that a job
    that always kills its process costs no other one. A single process is this one.

    Args:
        jobs: the jobs.
        n_jobs: the number of processes; see `process_count`.
        attempts: how often a job is started at most.
    """
    number = min(process_count(n_jobs), len(jobs))
    live = number > 1 and is_shown()
    means = GroupMeans(jobs)
    with sweep_progress(len(jobs), live) as shown:

        def on_end(index: int, result: JobReturn) -> None:
            outcome = outcome_of(result)
            shown.finished(means.finished(index, result), bool(outcome and outcome.is_skipped))

        if number <= 1:
            return [_followed(job(), partial(on_end, index)) for index, job in enumerate(jobs)]
        return _Launch(on_end, shown.on_message if live else None).run(jobs, number, attempts)


def _followed(result: JobReturn, on_end: Callable[[JobReturn], None]) -> JobReturn:
    on_end(result)
    return result


@dataclass(frozen=True)
class _Launch:
    """The jobs of one batch in processes of this machine.

    `on_end` is called with the index and the result of each job, `on_message` with what its process
    writes, unless it writes itself.
    """

    on_end: Callable[[int, JobReturn], None]
    on_message: Callable[[Message], None] | None
    returns: dict[int, JobReturn] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job], number: int, attempts: int) -> list[JobReturn]:
        """Return the results of all jobs."""
        suspects: list[tuple[int, Job]] = []
        remaining = in_turns(jobs, number)
        while remaining:
            killed = self._run(remaining, number)
            suspects, remaining = (
                suspects + killed[:number],
                killed[number:],
            )  # the others had not begun
        for attempt in range(2, attempts + 1):
            if suspects:
                lines.warning(
                    f"a process was killed; the jobs that were running ({len(suspects)}) are"
                    f" repeated, one at a time: attempt {attempt} of {attempts}"
                )
            suspects = [again for suspect in suspects for again in self._run([suspect], 1)]
        for index, _ in suspects:
            self.on_end(index, self.returns[index])
        return [self.returns[index] for index in range(len(jobs))]

    def _run(self, jobs: Sequence[tuple[int, Job]], number: int) -> list[tuple[int, Job]]:
        """Add the results of jobs to `returns`, and return the jobs that a killed process lost."""
        killed = []

        def on_result(position: int, result: Any) -> None:
            index, job = jobs[position]
            if isinstance(result, BrokenProcessPool):
                killed.append((position, (index, job)))
                result = lost(job, "its process was killed, perhaps for lack of memory")
            elif isinstance(result, Exception):
                result = lost(job, str(result))
            self.returns[index] = result
            if not killed or killed[-1][0] != position:
                self.on_end(index, result)

        pools.results([job for _, job in jobs], number, on_result, self.on_message)
        return [job for _, job in sorted(killed, key=lambda item: item[0])]


def ray(
    jobs: Sequence[Job], *, address: str | None, cpus: float, gpus: float, attempts: int
) -> list[JobReturn]:
    """Run jobs on a Ray cluster.

    Args:
        jobs: the jobs.
        address: of the cluster; None starts one on this machine.
        cpus: of a job.
        gpus: of a job.
        attempts: how often a job is started at most.

    Raises:
        ConfigError: Ray is not installed.
    """
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # progress lines look alike
    require("ray", "hydra/launcher=ray", "ray")
    import ray as engine

    local = {"_node_ip_address": "127.0.0.1"} if address is None else {}
    engine.init(address=address, include_dashboard=False, log_to_driver=True, **local)
    try:
        remote = engine.remote(num_cpus=cpus, num_gpus=gpus, max_retries=attempts - 1)(Job.__call__)
        variables = {k: v for k, v in os.environ.items() if k.startswith(STORE_VARIABLES)}
        sent = [replace(job, environment=job.environment | variables) for job in jobs]
        futures = [remote.remote(job) for job in sent]
        return [_wait(engine.get, future, job) for future, job in zip(futures, jobs, strict=True)]
    finally:
        engine.shutdown()


def submitit(
    jobs: Sequence[Job], *, cluster: str, folder: str, parameters: dict[str, Any]
) -> list[JobReturn]:
    """Run jobs under Slurm, as one array.

    Args:
        jobs: the jobs.
        cluster: `slurm`, or `local` for a test on this machine.
        folder: of scripts and logs.
        parameters: of submitit's `AutoExecutor.update_parameters`.

    Raises:
        ConfigError: submitit is not installed.
    """
    require("submitit", "hydra/launcher=submitit", "submitit")
    import submitit as engine

    folder = paths.expanded(folder)
    executor = engine.AutoExecutor(folder=folder, cluster=cluster)
    executor.update_parameters(**parameters)
    with executor.batch():
        tasks = [executor.submit(job) for job in jobs]
    lines.note(f"{len(tasks)} jobs are submitted; their output is in {folder}")
    try:
        return [_wait(type(task).result, task, job) for task, job in zip(tasks, jobs, strict=True)]
    except BaseException:
        for task in tasks:
            task.cancel(check=False)
        raise


def warm(jobs: int, *, n_jobs: int | None, attempts: int) -> None:
    """Check the keys of `processes`, and start its imports while the sweep is prepared.

    Args:
        jobs: the number of jobs.
        n_jobs: see `processes`.
        attempts: see `processes`.

    Raises:
        ConfigError: a key is not valid.
    """
    if not isinstance(attempts, int) or attempts < 1:
        raise ConfigError(f"hydra.launcher.attempts must be a whole number from 1, got {attempts}")
    if min(jobs, process_count(n_jobs)) > 1:
        pools.warm()


def _wait(get: Callable[[Any], JobReturn], future: Any, job: Job) -> JobReturn:
    try:
        return get(future)
    except Exception as error:
        return lost(job, str(error))
