"""Locks: one process at a time, by a lock file that exists only while it is held or waited for."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from brnn.terminal import lines

UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}  # by the file system


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Holds the exclusive lock of `path`, which need not exist; calls `on_wait` once before it blocks.

    The lock file is removed before the lock is released, so that a process that waited for it opens
    a new one. A process that is killed leaves its file, unlocked, to the next one. Threads exclude
    each other as processes do, except where the file system emulates `flock` per process (NFS). The
    lock is not re-entrant: a thread that takes it twice waits for itself. On a file system without
    locks there is one warning per folder, and no lock.
    """
    file_path = path.with_name(f"{path.name}.lock")
    file_path.parent.mkdir(parents=True, exist_ok=True)
    on_wait = cache(on_wait or (lambda: None))
    while True:
        with file_path.open("w") as file:
            if _acquire(file, on_wait) and not _is_at(file, file_path):
                continue
            try:
                yield
            finally:
                if _is_at(file, file_path):
                    file_path.unlink(missing_ok=True)
            return


def _acquire(file, on_wait):
    """Locks an open file; False if its file system has no locks."""
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
def _warn(folder, reason):
    advice = "let only one process at a time use it"
    lines.warning(f"{folder} is on a file system without locks ({reason}): {advice}")


def _is_at(file, path):
    """Whether an open file is the one at `path`: another process may have removed or replaced it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False
