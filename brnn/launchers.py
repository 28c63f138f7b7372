"""Launchers: where the jobs of a sweep run. An engine for several machines is an optional extra.

A launcher takes jobs, functions without arguments, and returns what each returned, in their order. A job whose
process is lost is started again, and goes on from its checkpoint; where that does not help, its place is taken by
a `JobReturn` with the error.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import forkserver
from pathlib import Path

import cloudpickle
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from omegaconf import open_dict

from brnn import identity, sweep, terminal
from brnn.config import ConfigError

METHOD = "forkserver" if sys.platform == "linux" else "spawn"  # elsewhere TensorFlow may not bear a fork
DEVICES, GPUS = Path("/dev"), ("nvidia[0-9]*", "kfd", "dxg")
CONTROL, QUOTAS = Path("/sys/fs/cgroup"), (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))
OURS = "BRNN_"  # beginning of the environment variables that a job needs


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
    if not isinstance(attempts, int) or attempts < 1:
        raise ConfigError(f"hydra.launcher.attempts must be a whole number from 1, got {attempts}")
    number = min(workers(n_jobs), len(jobs))
    if number <= 1:
        return [job() for job in jobs]
    returns, suspects, left = {}, [], _in_turn(jobs, number)
    while left:
        killed = _run(left, number, returns)
        suspects, left = suspects + killed[:number], killed[number:]
    for attempt in range(2, attempts + 1):
        if suspects:
            again = f"attempt {attempt} of {attempts}, one by one, at {len(suspects)} that were at work"
            terminal.warning(f"a process was killed; {again}")
        suspects = [one for suspect in suspects for one in _run([suspect], 1, returns)]
    return [returns[place] for place in range(len(jobs))]


def _run(left, number, returns):
    """Puts what jobs returned into `returns`, and returns those that a killed process took along.

    Of these the first `number` were at work.
    """
    pool, killed = _pool(number), []
    try:
        with _undisturbed():
            futures = [_submitted(pool, job) for _, job in left]
        for (place, job), future in zip(left, futures, strict=True):
            try:
                returns[place] = cloudpickle.loads(future.result())
            except BrokenProcessPool:
                returns[place] = _lost(job, "its process was killed, perhaps for want of memory")
                killed.append((place, job))
            except Exception as error:
                returns[place] = _lost(job, str(error))
    except BaseException:
        _end(pool)
        raise
    if killed:
        _end(pool)
    return killed


def workers(n_jobs: int | None) -> int:
    """How many processes `n_jobs` asks for; by default one where there is a GPU, which they would have to share."""
    if n_jobs is not None and (not isinstance(n_jobs, int) or n_jobs < -1 or n_jobs == 0):
        raise ConfigError(
            f"hydra.launcher.n_jobs must be a whole number from 1, -1 for one process per core, or null for the same,"
            f" but one process where there is a GPU, got {n_jobs}"
        )
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if n_jobs is None and not hidden and any(list(DEVICES.glob(name)) for name in GPUS):
        return 1
    return cores() if n_jobs in (None, -1) else n_jobs


def cores() -> int:
    """The cores that this process may use, by its affinity and by the quota of its container."""
    number = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for files in QUOTAS:
        with suppress(OSError):
            share, period = " ".join((CONTROL / file).read_text() for file in files).split()
            if share not in ("max", "-1"):
                number = min(number, max(1, int(share) // int(period)))
    return number


def warm() -> None:
    """Begins to import what a run needs in the process that others are forked from, and does not wait for it."""
    if METHOD == "forkserver":
        forkserver.set_forkserver_preload(["brnn.forked"])
        forkserver.ensure_running()


def ray(jobs: list[Job], *, address: str | None, cpus: float, gpus: float, attempts: int) -> list[JobReturn]:
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
        return [_awaited(engine.get, future, job) for future, job in zip(futures, jobs, strict=True)]
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
    terminal.note(f"{len(tasks)} jobs are submitted; what they print is in {folder}")
    try:
        return [_awaited(type(task).result, task, job) for task, job in zip(tasks, jobs, strict=True)]
    except BaseException:
        for task in tasks:
            task.cancel(check=False)
        raise


class LostError(RuntimeError):
    """Nothing came back from a job."""


def _in_turn(jobs, number):
    """The jobs with their places: of `number` nets at a time, first those that train, then those that attack again."""
    nets, seen = {}, Counter()
    turns = []
    for place, job in enumerate(jobs):
        net = frozenset(one for one in job.overrides if sweep.root(one) not in identity.AFTER + identity.APART)
        turns.append((nets.setdefault(net, len(nets)) // number, seen[net], place))
        seen[net] += 1
    return [(place, jobs[place]) for *_, place in sorted(turns)]


@lru_cache(maxsize=1)
def _pool(number):
    """Processes that are kept from launch to launch."""
    shares = {"TF_NUM_INTRAOP_THREADS": str(max(1, cores() // number)), "TF_NUM_INTEROP_THREADS": "1"}
    own = {name: share for name, share in shares.items() if name not in os.environ}
    return ProcessPoolExecutor(number, multiprocessing.get_context(METHOD), initializer=_begin, initargs=(own,))


def _begin(environment):
    """Prepares a process of a pool, which is not to outlive the one that gives it jobs, and leaves Ctrl-C to that."""
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    terminal.plain_warnings()
    threading.Thread(target=_end_with_parent, daemon=True).start()


@contextmanager
def _undisturbed():
    """Lets Ctrl-C and SIGTERM wait, since a process that is just being started could not be ended."""
    waiting = []
    handlers = {
        number: signal.signal(number, lambda number, _: waiting.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if waiting:
        signal.raise_signal(waiting[0])


def _call(job):
    return cloudpickle.dumps(cloudpickle.loads(job)())


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


def _end(pool):
    """Kills the processes of a pool, in the midst of their jobs."""
    _pool.cache_clear()
    for process in multiprocessing.active_children():
        process.kill()
    pool.shutdown(cancel_futures=True)


def _submitted(pool, job):
    """The future of a job; its pool may break before it has them all."""
    try:
        return pool.submit(_call, cloudpickle.dumps(job))
    except BrokenProcessPool as error:
        failed = Future()
        failed.set_exception(error)
        return failed


def _awaited(get, future, job):
    try:
        return get(future)
    except Exception as error:
        return _lost(job, str(error))


def _lost(job, reason):
    error = LostError(" ".join(reason.split()))
    return JobReturn(overrides=job.overrides, status=JobStatus.FAILED, _return_value=error)


def _missing(name):
    return ConfigError(f"hydra/launcher={name} needs a package: pip install 'brnn[{name}]'")
