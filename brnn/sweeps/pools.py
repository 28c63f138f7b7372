"""Pools of processes on this machine.

They are forked from a process that has imported what a run needs, and has done nothing else.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle

from brnn import signals
from brnn.config.processor import core_count
from brnn.terminal import stderr
from brnn.terminal.relay import Message, Relay, received

METHOD = "forkserver" if sys.platform == "linux" else "spawn"  # TensorFlow may not survive a fork


def results(
    calls: Sequence[Callable[[], Any]],
    number: int,
    on_result: Callable[[int, Any], None],
    on_message: Callable[[Message], None] | None = None,
) -> list[Any]:
    """Return the results of calls, made in `number` processes.

    Args:
        calls: functions without arguments.
        number: the number of processes.
        on_result: called with the index and the result of each call as it ends.
        on_message: called with what the processes write; None: they write it themselves.

    Returns:
        For each call its value, or the exception that it raised. It is a `BrokenProcessPool` if a
        process was killed before the call returned; the first `number` of these calls were running.
    """
    pool, processes, reader = _pool(number, on_message is not None)
    try:
        with _signals_postponed():
            futures = [_submit(pool, call) for call in calls]
        indices = {future: index for index, future in enumerate(futures)}
        ended: dict[int, Any] = {}
        for future in _as_completed(futures, reader, on_message):
            index = indices[future]
            ended[index] = _outcome(future)
            on_result(index, ended[index])
        outcomes = [ended[index] for index in range(len(futures))]
    except BaseException:
        _kill(pool, processes)
        raise
    if any(isinstance(outcome, BrokenProcessPool) for outcome in outcomes):
        _kill(pool, processes)
    return outcomes


def warm() -> None:
    """Start to import what a run needs in the process that others are forked from; do not wait."""
    if METHOD == "forkserver":
        forkserver.set_forkserver_preload(["brnn.cli.startup", "brnn.cli.job", "brnn.cli.train"])
        resource_tracker.ensure_running()  # later it would reset the signal mask
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # only this process handles it
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


class _Context(type(multiprocessing.get_context(METHOD))):  # type: ignore[misc]
    """A multiprocessing context that records the processes it creates."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[multiprocessing.Process] = []

    def Process(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802, the name in multiprocessing
        """Create a process."""
        process = super().Process(*args, **kwargs)
        self.processes.append(process)
        return process


def _as_completed(
    futures: Sequence[Future],
    reader: Connection | None,
    on_message: Callable[[Message], None] | None,
) -> Iterator[Future]:
    """Yield futures as they end; pass on what the processes write until then."""
    pending = set(futures)
    while pending:
        signals.check()
        timeout = 0.1 if on_message else 1.0
        done, pending = wait(pending, timeout, return_when=FIRST_COMPLETED)
        if reader and on_message:
            received(reader, on_message)
        yield from done


@lru_cache(maxsize=1)
def _pool(
    number: int, relayed: bool
) -> tuple[ProcessPoolExecutor, list[multiprocessing.Process], Connection | None]:
    """Return a pool, kept from launch to launch, the list of its processes, and what they write."""
    threads = {
        "TF_NUM_INTRAOP_THREADS": str(max(1, core_count() // number)),
        "TF_NUM_INTEROP_THREADS": "1",
    }
    unset = {name: value for name, value in threads.items() if name not in os.environ}
    context = _Context()
    reader, writer = context.Pipe(duplex=False) if relayed else (None, None)
    arguments = (unset, writer)
    pool = ProcessPoolExecutor(number, context, initializer=_initialize, initargs=arguments)
    return pool, context.processes, reader


def _initialize(environment: dict[str, str], writer: Connection | None) -> None:
    """Prepare a process of a pool: its parent handles Ctrl-C, and it ends with its parent.

    Args:
        environment: variables to set.
        writer: receives what the process writes; None: it writes to stdout and stderr itself.
    """
    if writer is not None:
        sys.stdout, sys.stderr = Relay(writer, error=False), Relay(writer, error=True)
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stderr.plain_warnings()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _signals_postponed() -> Iterator[None]:
    """Postpone Ctrl-C and SIGTERM: a process that is being started cannot be killed."""
    received: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if received:
        signal.raise_signal(received[0])


def _submit(pool: ProcessPoolExecutor, call: Callable[[], Any]) -> Future:
    """Return the future of a call; a pool may break before it has received all calls."""
    try:
        return pool.submit(_call, cloudpickle.dumps(call))
    except BrokenProcessPool as error:
        failed: Future = Future()
        failed.set_exception(error)
        return failed


def _call(pickled: bytes) -> bytes:
    return cloudpickle.dumps(cloudpickle.loads(pickled)())


def _outcome(future: Future) -> Any:
    try:
        return cloudpickle.loads(future.result())
    except Exception as error:
        return error


def _kill(pool: ProcessPoolExecutor, processes: list[multiprocessing.Process]) -> None:
    """Kill the processes of a pool; their jobs are lost."""
    _pool.cache_clear()
    for process in processes:
        if process.is_alive():  # not if it could not be started
            process.kill()
    pool.shutdown(cancel_futures=True)
