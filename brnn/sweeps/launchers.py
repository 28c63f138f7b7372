"""Launchers: where the jobs of a sweep run. An engine for several machines is an optional extra.

A launcher takes jobs, functions without arguments, and returns what each returned, in their order. A job whose
process is lost is started again, and goes on from its checkpoint; where that does not help, its place is taken by
a `JobReturn` with the error.
"""

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from omegaconf import open_dict

from brnn.config.fingerprint import IRRELEVANT_KEYS, POST_TRAINING_KEYS
from brnn.errors import ConfigError, LostJobError
from brnn.sweeps import overrides, pools
from brnn.terminal import lines

OURS = "BRNN_"  # prefix of a user's environment variables, which a job needs on any machine


@dataclass(frozen=True)
class Job:
    """One job of a sweep, to be called in any process."""

    context: object
    task: Callable
    config: object
    overrides: list[str]
    number: int
    environment: dict[str, str]
    state: dict
    folder: str

    def __call__(self) -> JobReturn:
        """Runs the job as Hydra's own launcher does."""
        os.environ.update(self.environment)
        if Path(self.folder).is_dir():  # on this machine, or on a file system that it shares
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


def jobs(launcher, overrides: list[list[str]], first: int) -> list[Job]:
    """The jobs that a Hydra launcher was given; they are numbered from `first`."""
    environment = {key: value for key, value in os.environ.items() if key.startswith(OURS)}
    shared = (environment, Singleton.get_state(), os.getcwd())
    return [
        Job(launcher.context, launcher.task, launcher.config, list(one), number, *shared)
        for number, one in enumerate(overrides, first)
    ]


def processes(jobs: list[Job], *, n_jobs: int | None, attempts: int) -> list[JobReturn]:
    """Runs the jobs in `n_jobs` processes of this machine, among which its cores are shared out.

    They are forked from one that has imported what a run needs. Where one is enough, this process runs the jobs.
    """
    number = min(pools.workers(n_jobs), len(jobs))
    if number <= 1:
        return [job() for job in jobs]
    returns, suspects, left = {}, [], _in_turn(jobs, number)
    while left:
        killed = _run(left, number, returns)  # of which the first were at work
        suspects, left = suspects + killed[:number], killed[number:]
    for attempt in range(2, attempts + 1):
        if suspects:
            at_work = f"the jobs at work then ({len(suspects)}) are tried again, one at a time"
            lines.warning(f"a process was killed; {at_work}: attempt {attempt} of {attempts}")
        suspects = [one for suspect in suspects for one in _run([suspect], 1, returns)]
    return [returns[place] for place in range(len(jobs))]


def ray(
    jobs: list[Job], *, address: str | None, cpus: float, gpus: float, attempts: int
) -> list[JobReturn]:
    """Runs the jobs on a Ray cluster, which starts those again whose process or machine is lost."""
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # progress lines look alike
    try:
        import ray as engine
    except ImportError as error:
        raise _missing("ray") from error
    local = {"_node_ip_address": "127.0.0.1"} if address is None else {}
    engine.init(address=address, include_dashboard=False, log_to_driver=True, **local)
    try:
        remote = engine.remote(num_cpus=cpus, num_gpus=gpus, max_retries=attempts - 1)(Job.__call__)
        futures = [remote.remote(job) for job in jobs]
        return [
            _awaited(engine.get, future, job) for future, job in zip(futures, jobs, strict=True)
        ]
    finally:
        engine.shutdown()


def submitit(jobs: list[Job], *, cluster: str, folder: str, parameters: dict) -> list[JobReturn]:
    """Runs the jobs under Slurm, as one array; what they print is in `folder`."""
    try:
        import submitit as engine
    except ImportError as error:
        raise _missing("submitit") from error
    executor = engine.AutoExecutor(folder=folder, cluster=cluster)
    executor.update_parameters(**parameters)
    with executor.batch():
        tasks = [executor.submit(job) for job in jobs]
    lines.note(f"{len(tasks)} jobs are submitted; what they print is in {folder}")
    try:
        return [
            _awaited(type(task).result, task, job) for task, job in zip(tasks, jobs, strict=True)
        ]
    except BaseException:
        for task in tasks:
            task.cancel(check=False)
        raise


def warm(jobs: int, *, n_jobs: int | None, attempts: int) -> None:
    """Checks the keys of `processes`, and begins to import what so many jobs need, while the sweep is prepared."""
    if not isinstance(attempts, int) or attempts < 1:
        raise ConfigError(f"hydra.launcher.attempts must be a whole number from 1, got {attempts}")
    if min(jobs, pools.workers(n_jobs)) > 1:
        pools.warm()


def _run(left, number, returns):
    """Puts what jobs returned into `returns`, and returns those that a killed process took along."""
    killed = []
    for (place, job), result in zip(
        left, pools.results([job for _, job in left], number), strict=True
    ):
        returns[place] = result
        if isinstance(result, BrokenProcessPool):
            returns[place] = _lost(job, "its process was killed, perhaps for want of memory")
            killed.append((place, job))
        elif isinstance(result, Exception):
            returns[place] = _lost(job, str(result))
    return killed


def _in_turn(jobs, number):
    """The jobs with their places: of `number` nets at a time, first those that train, then those that attack again."""
    nets, seen = {}, Counter()
    turns = []
    for place, job in enumerate(jobs):
        net = frozenset(
            one
            for one in job.overrides
            if overrides.root(one) not in POST_TRAINING_KEYS + IRRELEVANT_KEYS
        )
        turns.append((nets.setdefault(net, len(nets)) // number, seen[net], place))
        seen[net] += 1
    return [(place, jobs[place]) for *_, place in sorted(turns)]


def _awaited(get, future, job):
    try:
        return get(future)
    except Exception as error:
        return _lost(job, str(error))


def _lost(job, reason):
    error = LostJobError(" ".join(reason.split()))
    return JobReturn(overrides=job.overrides, status=JobStatus.FAILED, _return_value=error)


def _missing(name):
    return ConfigError(f"hydra/launcher={name} needs a package: pip install 'brnn[{name}]'")
