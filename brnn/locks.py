"""Locks between processes, by a lock file that exists only while it is held or waited for."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO

from brnn.terminal import lines

UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}  # by the file system


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the exclusive lock of a path.

    The lock file is removed before the lock is released, so that a waiting process has to open a
    new one. A killed process leaves its file, unlocked, to the next one. Threads exclude each other
    as processes do, except where the file system emulates `flock` per process (NFS). The lock is
    not re-entrant: a thread that takes it twice waits for itself. A file system without locks gives
    one warning per folder, and no lock.

    Args:
        path: what the lock protects; it need not exist. The lock file is beside it.
        on_wait: called once before waiting, where another process holds the lock.

    Raises:
        OSError: the file system fails otherwise.
    """
    file_path = path.with_name(f"{path.name}.lock")
    file_path.parent.mkdir(parents=True, exist_ok=True)
    on_first_wait = cache(on_wait or (lambda: None))
    while True:
        with file_path.open("w") as file:
            if _acquire(file, on_first_wait) and not _is_at(file, file_path):
                continue
            try:
                yield
            finally:
                if _is_at(file, file_path):
                    file_path.unlink(missing_ok=True)
            return


def _acquire(file: IO[str], on_wait: Callable[[], None]) -> bool:
    """Lock an open file; return whether its file system has locks."""
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        _warn(Path(file.name).parent, error.strerror)
        return False
    return True


@cache
def _warn(folder: Path, reason: str | None) -> None:
    lines.warning(
        f"{folder} is on a file system without locks ({reason}): let only one process at a time"
        " use it"
    )


def _is_at(file: IO[str], path: Path) -> bool:
    """Return whether an open file is at `path`; another process may have removed or replaced it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False
