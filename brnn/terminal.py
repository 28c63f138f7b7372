"""The terminal: how a run goes on, tables of what came out of it, warnings and errors.

Nothing else in brnn writes there. A terminal gets colours and a progress bar; a pipe, a file or CI gets plain
whole lines that are never wrapped or cropped. Text is shown as it is: `[1, 2]` is no markup.
"""

import logging
import multiprocessing
import os
import re
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from numbers import Integral
from statistics import median_low
from typing import Any, TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as ProgressBar
from rich.table import Column, Table
from rich.text import Text

_STDERR = threading.RLock()  # held by whoever has put a file in its place
_UNLIMITED = 10_000  # columns of what is no terminal
_STATUS_WIDTH = 90  # columns of a progress bar and the longest text behind it
_STATUS_STYLE = {"finished": "green", "failed": "bold red", "skipped": "yellow"}  # always counted
_PLANNED = {"run", "resume", "attack", "skip"}  # statuses of a dry run
_STATUS_STYLE_TOO = {
    "killed": "red",
    "pruned": "yellow",
    "running": "cyan",
    "run": "green",
    "resume": "cyan",
    "attack": "cyan",
    "skip": "yellow",
}
_CLOSING = (
    "test/accuracy",
    "test/loss",
    "test/bits_per_character",
    "validation/accuracy",
    "sparsity/all",
    "size/bits_per_weight",
    "trust/robust_accuracy",
)


class Progress:
    """Tells how a run fares after each epoch, and within those that take longer than `patience` seconds.

    The time left is guessed from how long the epochs took.
    """

    def __init__(self, epochs: int, show: Callable[[float, str], None], patience: float):
        self._epochs = epochs
        self._show = show
        self._patience = patience
        self._ends = [time.monotonic()]
        self._shown = self._began = self._ends[0]

    def update(self, metrics: dict[str, float], epoch: int) -> None:
        """Shows the metrics of an epoch that is done; `epoch` counts from 1. Missing metrics are left out."""
        now = time.monotonic()
        self._ends.append(now)
        self._tell(now, epoch, self._ends, f"epoch {epoch}/{self._epochs}", *_facts(metrics))

    def within(self, epoch: int, share: float) -> None:
        """Shows which share of the epoch after so many is done; it begins, compiled, with a share of 0."""
        now = time.monotonic()
        if share == 0:
            self._began = now
        elif now - self._shown >= self._patience:
            end = self._ends[-1] + (now - self._began) / share
            self._tell(now, epoch + share, [*self._ends, end], f"epoch {epoch + 1}/{self._epochs}  {share:.0%} of it")

    def _tell(self, now, done, ends, *facts):
        self._shown = now
        left = _seconds_left(ends, self._epochs - done)
        self._show(done, "  ".join([*facts, f"left {_duration(left)}"]))


@contextmanager
def progress(epochs: int, name: str, done: int = 0) -> Iterator[Progress]:
    """A bar on a terminal that belongs to this process alone, else one plain line per epoch, or half a minute.

    `done` are the epochs that an earlier process trained.
    """
    with _status(name, epochs, done, f"epoch {done}/{epochs}") as (show, plain):
        yield Progress(epochs, show, patience=30.0 if plain else 5.0)


@contextmanager
def attack_progress(name: str) -> Iterator[Callable[[str, float], None]]:
    """A function that is told what goes on in an attack, and which share of it is done; shown as by `progress`."""
    with _status(name, 1, 0, "attack") as (show, plain):
        shown = time.monotonic()

        def tell(what: str, share: float) -> None:
            nonlocal shown
            if not plain or time.monotonic() - shown >= 30:
                shown = time.monotonic()
                show(share, f"attack {what}  {share:.0%}")

        yield tell


def layers_table(rows: Iterable[Mapping[str, Any]]) -> None:
    """One line per variable, and a last one with the size of them all.

    A row has `path`, `shape`, `role`, `quantizer` (text; "real" where nothing is discretized), `parameters` and
    `bits_per_weight`.
    """
    rows = list(rows)
    parameters = sum(row["parameters"] for row in rows)
    bits = sum(row["parameters"] * row["bits_per_weight"] for row in rows)
    table = _table(
        Column("variable", "total", overflow="fold"),
        Column("shape", no_wrap=True),
        Column("role"),
        Column("quantizer", overflow="fold"),
        Column("parameters", _number(parameters), justify="right", no_wrap=True),
        Column("bits per\nweight", f"{bits / max(parameters, 1):.4g}", justify="right"),
        show_footer=True,
    )
    for row in rows:
        table.add_row(
            row["path"],
            str(tuple(row["shape"])),
            row["role"],
            row["quantizer"],
            _number(row["parameters"]),
            f"{row['bits_per_weight']:.4g}",
            style="dim" if row["quantizer"] == "real" else None,
        )
    _write(sys.stdout, "", table, f"{_size(bits / 8)} packed, {_size(4 * parameters)} as float32")


def results_table(name: str, metrics: Mapping[str, float], *, seconds: float, hint: str) -> None:
    """What a run came to: its closing metrics, its attacks side by side, and where to look for more.

    Closing are accuracy, loss, sparsity, size, what all checks of an attack leave, and whatever begins with `best/`; an
    attack is what stands before the slash where that begins with `attack`; of an attack with members, each is there
    with the share that it broke. Metrics that are not there are left out.
    """
    closing = _table(Column(overflow="fold"), Column(justify="right", no_wrap=True), show_header=False)
    for key, value in metrics.items():
        if key in _CLOSING or key.startswith("best/"):
            closing.add_row(key, _number(value))
    keys = [key.split("/", 1) for key in metrics if key.startswith("attack") and "/" in key]
    attacks = dict.fromkeys(attack for attack, _ in keys)
    attacked = _table("", *(Column(attack, justify="right") for attack in attacks))
    for measure in dict.fromkeys(measure for _, measure in keys):
        attacked.add_row(measure, *(_number(metrics.get(f"{attack}/{measure}")) for attack in attacks))
    broken = _table("member", Column("broke", justify="right"))
    for key, value in metrics.items():
        if key.endswith("/broke") and key.count("/") == 2:
            broken.add_row(key.split("/")[1], _number(value))
    title = Text.assemble((name, "bold"), f"  finished in {_duration(seconds)}")
    tables = [part for table in (closing, attacked, broken) if table.row_count for part in (table, "")]
    _write(sys.stdout, "", title, "", *tables, hint)


def sweep_table(rows: Iterable[Mapping[str, Any]]) -> None:
    """One line per job, what went wrong below, and the number of jobs that finished, failed or were skipped.

    A row has `name` and `status` (`finished`, `failed`, `skipped`, `killed`, `pruned` or `running`; in a dry run `run`,
    `resume`, `attack` or `skip`), may have `objective` and `error`, and whatever else it has is a metric.
    """
    rows, styles = list(rows), _STATUS_STYLE | _STATUS_STYLE_TOO
    numbers = list(dict.fromkeys(key for row in rows for key in row if key not in ("name", "status", "error")))
    table = _table(
        Column("job", overflow="fold"),
        Column("status", no_wrap=True),
        *(Column(re.sub("(?<=[/_])", "\n", key), justify="right", no_wrap=True) for key in numbers),
    )
    for row in rows:
        status = Text(row["status"], styles[row["status"]])
        table.add_row(row["name"], status, *(_number(row.get(key)) for key in numbers))
    errors = [Text(f"{row['name']}: {_one_line(row['error'])}", "red") for row in rows if row.get("error")]
    counts = Counter(row["status"] for row in rows)
    always = () if counts.keys() & _PLANNED else _STATUS_STYLE
    counted = [status for status in styles if counts[status] or status in always]
    _write(sys.stdout, "", table, *errors, ", ".join(f"{counts[status]} {status}" for status in counted))


def note(text: str) -> None:
    """One line on stdout."""
    _write(sys.stdout, _one_line(text))


@contextmanager
def quiet():
    """Keeps what TensorFlow writes to stderr as it starts, and shows it only where the import fails."""
    with _STDERR, tempfile.TemporaryFile() as kept:
        stderr = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(stderr, kept.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@cache
def keep_stderr() -> None:
    """Lets Python write to a copy of stderr, so that what one thread keeps `quiet` is not what another has to say."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")


def plain_warnings() -> None:
    """Makes Python's warnings lines of `warning`; TensorFlow's, that a sweep traces each net anew, are left out."""
    warnings.showwarning = lambda message, *_, **__: warning(str(message))
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def verdict(text: str, good: bool) -> None:
    """One line on stdout, in green where it is good news."""
    _write(sys.stdout, Text(_one_line(text), "green" if good else "bold yellow"))


def warning(text: str) -> None:
    """One line on stderr that begins with `warning:`."""
    _write(sys.stderr, Text.assemble(("warning:", "bold yellow"), f" {_one_line(text)}"))


def error(text: str) -> None:
    """One line on stderr that begins with `error:`."""
    _write(sys.stderr, Text.assemble(("error:", "bold red"), f" {_one_line(text)}"))


def _console(stream: TextIO) -> Console:
    terminal = stream.isatty()
    width = None if terminal else _UNLIMITED
    return Console(file=stream, force_terminal=terminal, width=width, markup=False, emoji=False, highlight=False)


def _write(stream: TextIO, *parts: str | Text | Table) -> None:
    """Writes all parts, each on lines of its own, in one go: what several processes write does not mix.

    The stream does the writing, not its console: while there is a progress bar, that puts the text above it.
    """
    console = _console(stream)
    with console.capture() as capture:
        for part in parts:
            console.print(part, soft_wrap=not isinstance(part, Table))
    stream.write(capture.get())
    stream.flush()


@contextmanager
def _status(name: str, total: float, done: float, first: str) -> Iterator[tuple[Callable[[float, str], None], bool]]:
    """A function that shows how much of `total` is done, with a text, and whether it writes plain lines."""
    console = _console(sys.stdout)
    if not console.is_interactive or "CI" in os.environ or multiprocessing.parent_process():
        yield (lambda _, status: _write(sys.stdout, f"{name}  {status}")), True
        return
    fits = console.width >= len(name) + _STATUS_WIDTH
    if not fits:
        _write(sys.stdout, name)
    with _bar(console) as bar:
        task = bar.add_task(name if fits else "", total=total, completed=done, status=first)
        yield (lambda done, status: bar.update(task, completed=done, status=status)), False


def _bar(console: Console) -> ProgressBar:
    return ProgressBar(
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(bar_width=14),
        TextColumn("{task.fields[status]}", markup=False),
        console=console,
        refresh_per_second=4,
        redirect_stderr=sys.stderr.isatty(),  # else a log of stderr would end up on the terminal
    )


def _table(*columns: str | Column, show_header: bool = True, show_footer: bool = False) -> Table:
    return Table(
        *columns,
        box=SIMPLE,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        show_header=show_header,
        show_footer=show_footer,
    )


def _facts(metrics: Mapping[str, float]) -> list[str]:
    """The words of a status line about an epoch."""
    facts = [
        ("train/loss", lambda loss: f"loss {loss:.3f}"),
        ("test/accuracy", lambda share: f"test {share:.3f}"),
        ("train/images_per_second", lambda speed: f"{float(f'{speed:.3g}'):,.0f} images/s"),
    ]
    return [words(metrics[key]) for key, words in facts if key in metrics]


def _seconds_left(ends: list[float], epochs: float) -> float:
    """Time for so many more epochs; the median forgives the first epoch that it had to be compiled."""
    return epochs * median_low(end - start for start, end in pairwise(ends))


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _size(size: float) -> str:
    return f"{size / 2**10:,.1f} KiB" if size < 2**20 else f"{size / 2**20:,.1f} MiB"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, Integral):
        return f"{value:,}"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.4g}"


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())
