"""Spools: what a tracking server could not take, in a file of JSON lines, of which the first tells for whom they are.

Several processes may add to a spool and empty it, and each of them may crash in the middle of a line.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brnn.locks import locked


def keep(spool: Path, header: dict, *records: dict) -> None:
    """Appends records to a spool, which begins with a header."""
    if not records:
        return
    with _held(spool) as file:
        whole = file.read().rpartition("\n")[0]  # a crash may have cut off what is behind
        file.truncate(len(f"{whole}\n".encode()) if whole else 0)
        lines = records if whole else (header, *records)
        file.write("".join(json.dumps(line) + "\n" for line in lines))


@contextmanager
def emptied(spool: Path) -> Iterator[tuple[dict, list[dict]]]:
    """The header and the records of a spool, which is removed if nothing goes wrong with them."""
    with _held(spool) as file:
        lines = file.read().split("\n")[:-1]  # behind the last newline is what a crash cut off
        header, *records = map(json.loads, lines or ["{}"])
        yield header, records
        spool.unlink()


@contextmanager
def _held(spool: Path):
    """The file of a spool, to be read and appended to; no other process has it meanwhile."""
    with locked(spool), spool.open("a+") as file:
        file.seek(0)
        yield file
