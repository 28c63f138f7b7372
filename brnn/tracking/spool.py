"""Spools.

A spool is a JSON-lines file of records the server has not accepted. Its first line names the store
and run. Several processes may append to a spool and empty it at the same time, and any of them may
crash within a line.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from brnn.locks import locked

Header = dict[str, str]
"""`uri`: the tracking URI of the store, its password masked; `run`: the id of the run."""

Record = dict[str, Any]


def append(spool: Path, header: Header, *records: Record) -> None:
    """Append records to a spool; the header is written to a new one."""
    if not records:
        return
    with _locked_file(spool) as file:
        complete = file.read().rpartition("\n")[0]  # a crash may have cut off the last line
        file.truncate(len(f"{complete}\n".encode()) if complete else 0)
        lines = records if complete else (header, *records)
        file.write("".join(json.dumps(line) + "\n" for line in lines))


@contextmanager
def emptied(spool: Path) -> Iterator[tuple[Header, list[Record]]]:
    """Yield the header and the records of a spool, and remove it unless the block raises."""
    with _locked_file(spool) as file:
        lines = file.read().split("\n")[:-1]  # a crash may have cut off the last line
        header, *records = map(json.loads, lines or ["{}"])
        yield header, records
        spool.unlink()


@contextmanager
def _locked_file(spool: Path) -> Iterator[TextIO]:
    """Open the file of a spool for reading and appending, under its lock."""
    with locked(spool), spool.open("a+") as file:
        file.seek(0)
        yield file
