"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


@contextmanager
def whole(path: Path, owner: str | None = None) -> Iterator[IO[bytes]]:
    """Open a file under another name, which becomes `path` when all of it is on the disk.

    Where the writer or the disk fails, or the process ends, what was at `path` stays.

    Args:
        path: of the file; its folder exists.
        owner: part of the other name; None for the id of the process, so that several may write the
            file. A lasting name lets the next writer replace what a killed one left.

    Raises:
        OSError: the file cannot be written; the message names it.
    """
    partial = path.with_name(f".{path.name}.{owner or os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a write to an open file names none
        raise
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
