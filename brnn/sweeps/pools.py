"""Pools of processes on this machine, forked from one that has imported what a run needs, and has done nothing else."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import lru_cache
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

import cloudpickle

from brnn.errors import ConfigError
from brnn.terminal import stderr

METHOD = (
    "forkserver" if sys.platform == "linux" else "spawn"
)  # elsewhere TensorFlow may not bear a fork
DEVICES, GPUS = Path("/dev"), ("nvidia[0-9]*", "kfd", "dxg")
CONTROL, QUOTAS = (
    Path("/sys/fs/cgroup"),
    (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")),
)


def results(calls: Sequence[Callable], number: int) -> list:
    """What each call, a function without arguments, returned in one of `number` processes, or the error that it raised.

    It is `BrokenProcessPool` where a process was killed before the call was done; of these calls the first `number`
    were at work.
    """
    pool, processes = _pool(number)
    try:
        with _undisturbed():
            futures = [_submitted(pool, call) for call in calls]
        found = [_result(future) for future in futures]
    except BaseException:
        _end(pool, processes)
        raise
    if any(isinstance(one, BrokenProcessPool) for one in found):
        _end(pool, processes)
    return found


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
    number = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    for files in QUOTAS:
        with suppress(OSError):
            share, period = " ".join((CONTROL / file).read_text() for file in files).split()
            if share not in ("max", "-1"):
                number = min(number, max(1, int(share) // int(period)))
    return number


def warm() -> None:
    """Begins to import what a run needs in the process that others are forked from, and does not wait for it."""
    if METHOD == "forkserver":
        forkserver.set_forkserver_preload(["brnn.cli.startup", "brnn.cli.job", "brnn.cli.train"])
        resource_tracker.ensure_running()  # which would lift the mask
        signal.pthread_sigmask(
            signal.SIG_BLOCK, {signal.SIGINT}
        )  # that process leaves Ctrl-C to this one
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _result(future):
    try:
        return cloudpickle.loads(future.result())
    except Exception as error:
        return error


def _submitted(pool, call):
    """The future of a call; its pool may break before it has them all."""
    try:
        return pool.submit(_call, cloudpickle.dumps(call))
    except BrokenProcessPool as error:
        failed = Future()
        failed.set_exception(error)
        return failed


class _Context(type(multiprocessing.get_context(METHOD))):
    """A multiprocessing context that records the processes it creates."""

    def __init__(self):
        super().__init__()
        self.processes = []

    def Process(self, *args, **kwargs):  # noqa: N802, the name in multiprocessing
        """Creates a process."""
        process = super().Process(*args, **kwargs)
        self.processes.append(process)
        return process


@lru_cache(maxsize=1)
def _pool(number):
    """A pool that is kept from launch to launch, and the list of its processes."""
    shares = {
        "TF_NUM_INTRAOP_THREADS": str(max(1, cores() // number)),
        "TF_NUM_INTEROP_THREADS": "1",
    }
    own = {name: share for name, share in shares.items() if name not in os.environ}
    context = _Context()
    pool = ProcessPoolExecutor(number, context, initializer=_begin, initargs=(own,))
    return pool, context.processes


def _begin(environment):
    """Prepares a process of a pool, which is not to outlive the one that gives it jobs, and leaves Ctrl-C to that."""
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stderr.plain_warnings()
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


def _call(pickled):
    return cloudpickle.dumps(cloudpickle.loads(pickled)())


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


def _end(pool, processes):
    """Kills the processes of a pool, in the midst of their jobs."""
    _pool.cache_clear()
    for process in processes:
        if process.is_alive():  # not one that could not be started
            process.kill()
    pool.shutdown(cancel_futures=True)
