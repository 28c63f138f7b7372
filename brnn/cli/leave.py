"""Leaving the process without the slow teardown of TensorFlow."""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_codes: list[int] = []  # the exit code, once it is known


@contextmanager
def without_teardown() -> Iterator[None]:
    """Mark the last block of a process, after which it ends as usual, but without the teardown.

    Threads are joined, handlers of `atexit` run and streams are flushed. After an uncaught
    KeyboardInterrupt the interpreter ends the process itself, by the signal.
    """
    try:
        yield
    except SystemExit as error:
        _codes.append(_exit_code(error))
        raise
    except Exception:
        _codes.append(1)
        raise
    _codes.append(0)


def _exit_code(error: SystemExit) -> int:
    """Return the exit code that the interpreter uses for `sys.exit`, which prints other objects."""
    if error.code is None:
        return 0
    return error.code if isinstance(error.code, int) else 1


@atexit.register
def _exit() -> None:
    if not _codes:
        return
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError):  # closed, at either end
            stream.flush()
    os._exit(_codes[-1])
