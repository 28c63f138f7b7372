"""Benchmarks: tables of nets and properties, and tables of results."""

import csv
from pathlib import Path
from typing import NamedTuple

from brnn.errors import DataError
from brnn.proof.decide import METHODS, Verdict

COUNTS = (*METHODS, "open")
COLUMNS = ("net", "property", "result", "seconds", *COUNTS)


class Instance(NamedTuple):
    """A row of a benchmark.

    Attributes:
        net: the file, as the row names it.
        property: the file, as the row names it.
        seconds: the time limit.
    """

    net: str
    property: str
    seconds: float


def read(path: Path) -> list[Instance]:
    """Return the rows of a file as VNN-COMP's: net, property, seconds.

    Raises:
        DataError: the file cannot be read, or a row is not of that form.
    """
    try:
        rows = list(csv.reader(path.read_text().splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    instances = []
    for number, row in enumerate(rows, 1):
        try:
            net, spec, seconds = (field.strip() for field in row)
            instances.append(Instance(net, spec, float(seconds)))
        except ValueError:
            raise DataError(
                f"{path}, line {number}: a row must be net,property,seconds, got {','.join(row)}"
            ) from None
    return instances


def row(net: str, spec: str, verdict: Verdict) -> list[str]:
    """Return the row of a verdict."""
    counts = [str(verdict.cases[kind]) for kind in COUNTS]
    return [net, spec, verdict.status, f"{verdict.seconds:.1f}", *counts]


def failed(net: str, spec: str) -> list[str]:
    """Return the row of a property that could not be read."""
    return [net, spec, "error", *[""] * (len(COLUMNS) - 3)]


def finished(path: Path) -> dict[tuple[str, str], list[str]]:
    """Return the rows of a table of results, by net and property; none if there is no such file.

    Raises:
        DataError: the file has another form.
    """
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    if not rows or tuple(rows[0]) != COLUMNS:
        raise DataError(f"{path} is not a table of results: its first line is not that of one")
    return {(done[0], done[1]): done for done in rows[1:] if len(done) == len(COLUMNS)}


def append(path: Path, done: list[str]) -> None:
    """Append a row to a table of results, which is begun if there is none."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, done] if new else [done])
