"""Launchers: where the jobs of a sweep run.

A launcher takes jobs and returns their results in the same order. A job whose process is lost is
started again, and continues from its checkpoint; if it is lost every time, its result is a failure.
Engines for several machines are optional packages.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

from hydra.core.utils import JobReturn

from brnn import paths
from brnn.errors import ConfigError, require
from brnn.sweeps import pools
from brnn.sweeps.cores import process_count
from brnn.sweeps.jobs import Job, in_turns, lost
from brnn.terminal import lines

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
    if number <= 1:
        return [job() for job in jobs]
    returns: dict[int, JobReturn] = {}
    suspects: list[tuple[int, Job]] = []
    remaining = in_turns(jobs, number)
    while remaining:
        killed = _run(remaining, number, returns)
        suspects, remaining = (
            suspects + killed[:number],
            killed[number:],
        )  # the others had not begun
    for attempt in range(2, attempts + 1):
        if suspects:
            lines.warning(
                f"a process was killed; the jobs that were running ({len(suspects)}) are repeated,"
                f" one at a time: attempt {attempt} of {attempts}"
            )
        suspects = [again for suspect in suspects for again in _run([suspect], 1, returns)]
    return [returns[index] for index in range(len(jobs))]


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


def _run(
    jobs: Sequence[tuple[int, Job]], number: int, returns: dict[int, JobReturn]
) -> list[tuple[int, Job]]:
    """Add the results of jobs to `returns`, and return the jobs that a killed process lost."""
    killed = []
    results = pools.results([job for _, job in jobs], number)
    for (index, job), result in zip(jobs, results, strict=True):
        returns[index] = result
        if isinstance(result, BrokenProcessPool):
            returns[index] = lost(job, "its process was killed, perhaps for lack of memory")
            killed.append((index, job))
        elif isinstance(result, Exception):
            returns[index] = lost(job, str(result))
    return killed


def _wait(get: Callable[[Any], JobReturn], future: Any, job: Job) -> JobReturn:
    try:
        return get(future)
    except Exception as error:
        return lost(job, str(error))
