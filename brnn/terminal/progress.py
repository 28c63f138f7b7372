"""Progress of training and of attacks: a bar on a terminal, plain lines elsewhere."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median_low

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as ProgressBar

from brnn import signals
from brnn.terminal.lines import open_console, write
from brnn.terminal.numbers import duration
from brnn.terminal.relay import Relay

_STATUS_WIDTH = 90  # columns of a progress bar and the longest text behind it


class Progress:
    """The progress of a run: shown after each epoch, and within epochs that take long.

    The time left is estimated from earlier epochs, without the seconds that compilation took.

    Args:
        epochs: the number of all epochs.
        show: called with the epochs that are done, a number with a fraction, and a text.
        patience: seconds without a text after which the progress within an epoch is shown.
    """

    def __init__(self, epochs: int, show: Callable[[float, str], None], patience: float):
        self._epochs = epochs
        self._show = show
        self._patience = patience
        self._seconds: list[float] = []  # of each epoch
        self._epoch_start = self._compiled = self._shown = time.monotonic()

    def update(self, metrics: Mapping[str, float], epoch: int) -> None:
        """Show the metrics of a finished epoch.

        Args:
            metrics: its metrics; those that are missing are left out.
            epoch: its number, from 1.
        """
        signals.check()
        now = time.monotonic()
        self._seconds.append(_seconds_of_epoch(metrics, now - self._epoch_start, self._seconds))
        self._epoch_start = now
        self._show_line(epoch, self._seconds, f"epoch {epoch}/{self._epochs}", *_facts(metrics))

    def within(self, epoch: int, share: float) -> None:
        """Show how much of an epoch is done, if nothing was shown for a while.

        Args:
            epoch: the number of finished epochs.
            share: the share of the next one that is done; 0 as it starts, after compilation.
        """
        signals.check()
        now = time.monotonic()
        if share == 0:
            self._compiled = now
        elif now - self._shown >= self._patience:
            seconds = [*self._seconds, (now - self._compiled) / share]
            name = f"epoch {epoch + 1}/{self._epochs}"
            self._show_line(epoch + share, seconds, name, f"{share:.0%} of it")

    def _show_line(self, done: float, seconds: list[float], *facts: str) -> None:
        self._shown = time.monotonic()
        remaining = (self._epochs - done) * _typical(seconds)
        self._show(done, "  ".join([*facts, f"{duration(remaining)} left"]))


@contextmanager
def training_progress(epochs: int, name: str, done: int = 0) -> Iterator[Progress]:
    """Show a bar on a terminal of one process, else a plain line per epoch or half a minute.

    Args:
        epochs: the number of all epochs.
        name: the name of the run.
        done: the epochs that an earlier process trained.
    """
    with _status(name, epochs, done, f"epoch {done}/{epochs}") as (show, plain):
        yield Progress(epochs, show, patience=30.0 if plain else 5.0)


@contextmanager
def attack_progress(name: str) -> Iterator[Callable[[str, float], None]]:
    """Show the progress of an attack as `training_progress` does that of training.

    Yields:
        `on_progress(what, share)`: a piece of the attack and the share of it, in [0, 1], that is
        done.
    """
    with _share_progress(name, "attack") as on_progress:
        yield on_progress


@contextmanager
def verify_progress(name: str) -> Iterator[Callable[[str, float], None]]:
    """Show the progress of a proof in the same way; the share is that of the excluded cases."""
    with _share_progress(name, "verify") as on_progress:
        yield on_progress


@contextmanager
def _share_progress(name: str, task: str) -> Iterator[Callable[[str, float], None]]:
    with _status(name, 1, 0, task) as (show, plain):
        shown = time.monotonic()

        def on_progress(what: str, share: float) -> None:
            nonlocal shown
            signals.check()
            if not plain or time.monotonic() - shown >= 30:
                shown = time.monotonic()
                show(share, f"{task} {what}  {share:.0%}")

        yield on_progress


@contextmanager
def _status(
    name: str, total: float, done: int, first: str
) -> Iterator[tuple[Callable[[float, str], None], bool]]:
    """Yield a function that shows how much of `total` is done, and whether in plain lines."""
    if isinstance(sys.stdout, Relay):
        relay = sys.stdout
        relay.show(name, done / total, first)
        yield (lambda done, status: relay.show(name, done / total, status)), False
        return
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
    """Return the parts of a line about an epoch."""
    formats: list[tuple[str, Callable[[float], str]]] = [
        ("train/loss", lambda loss: f"loss {loss:.3f}"),
        ("test/accuracy", lambda share: f"test {share:.3f}"),
        ("train/images_per_second", lambda speed: f"{float(f'{speed:.3g}'):,.0f} images/s"),
    ]
    return [text(metrics[key]) for key, text in formats if key in metrics]


def _seconds_of_epoch(metrics: Mapping[str, float], elapsed: float, earlier: list[float]) -> float:
    """Return how long an epoch like this one takes once everything is compiled.

    In the first epoch evaluation compiles as well, which is not measured: only training counts.
    """
    if not earlier and "time/training" in metrics:
        return metrics["time/training"]
    return elapsed - metrics.get("time/compile", 0.0)


def _typical(seconds: list[float]) -> float:
    """Return the lower median of the epochs' seconds, without the first if there are others."""
    return median_low(seconds[1:] or seconds)
