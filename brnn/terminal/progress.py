"""Progress of training and of attacks: a bar on a terminal, plain lines elsewhere."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from statistics import median_low

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as ProgressBar

from brnn.terminal.lines import open_console, write
from brnn.terminal.numbers import duration

_STATUS_WIDTH = 90  # columns of a progress bar and the longest text behind it


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
            self._tell(
                now,
                epoch + share,
                [*self._ends, end],
                f"epoch {epoch + 1}/{self._epochs}  {share:.0%} of it",
            )

    def _tell(self, now, done, ends, *facts):
        self._shown = now
        left = _seconds_left(ends, self._epochs - done)
        self._show(done, "  ".join([*facts, f"left {duration(left)}"]))


@contextmanager
def training_progress(epochs: int, name: str, done: int = 0) -> Iterator[Progress]:
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


@contextmanager
def _status(
    name: str, total: float, done: float, first: str
) -> Iterator[tuple[Callable[[float, str], None], bool]]:
    """A function that shows how much of `total` is done, with a text, and whether it writes plain lines."""
    console = open_console(sys.stdout)
    if not console.is_interactive or "CI" in os.environ or multiprocessing.parent_process():
        yield (lambda _, status: write(sys.stdout, f"{name}  {status}")), True
        return
    fits = console.width >= len(name) + _STATUS_WIDTH
    if not fits:
        write(sys.stdout, name)
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
