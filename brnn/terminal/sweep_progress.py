"""Progress of a sweep: a bar for the whole and a line per running job, or plain lines."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as ProgressBar
from rich.table import Column

from brnn.terminal.lines import note, open_console
from brnn.terminal.numbers import duration
from brnn.terminal.relay import Message

_BAR = 10  # columns
_NAME = 24  # columns of a name at least
_STATUS = 60  # columns of a bar and most texts behind it


class SweepProgress:
    """The progress of a sweep.

    Args:
        jobs: the number of all jobs.
        show: called with the number of finished jobs and a text.
        on_message: called with each message of the processes.
    """

    def __init__(
        self,
        jobs: int,
        show: Callable[[int, str], None],
        on_message: Callable[[Message], None],
    ):
        self.on_message = on_message
        self._jobs = jobs
        self._show = show
        self._done = self._skipped = 0
        self._start = time.monotonic()

    def finished(self, text: str, is_skipped: bool) -> None:
        """Count a job that has ended, and show the time left at the pace of those that ran.

        Args:
            text: a line to print; empty: none.
            is_skipped: whether the job had finished before.
        """
        if text:
            note(text)
        self._done += 1
        self._skipped += is_skipped
        facts = [f"{self._done} of {self._jobs} jobs"]
        remaining, ran = self._jobs - self._done, self._done - self._skipped
        if ran:
            pace = (time.monotonic() - self._start) / ran
            facts.append(f"{duration(pace * remaining)} left")
        self._show(self._done, "  ".join(facts))


def is_shown() -> bool:
    """Return whether stdout is a terminal on which bars can be drawn."""
    return open_console(sys.stdout).is_interactive and "CI" not in os.environ


@contextmanager
def sweep_progress(jobs: int, live: bool) -> Iterator[SweepProgress]:
    """Show the progress of a sweep.

    Args:
        jobs: the number of all jobs.
        live: whether to draw bars, each on a line of the terminal; else each finished job is a
            plain line.
    """
    if not live:
        yield SweepProgress(jobs, lambda _, text: note(f"sweep  {text}"), _write)
        return
    with _bars() as bars:
        whole = bars.add_task("sweep", total=jobs, status=f"0 of {jobs} jobs")
        room = max(_NAME, bars.console.width - _STATUS)
        lines: dict[int, TaskID] = {}  # of each process

        def on_message(message: Message) -> None:
            if "text" in message:
                _write(message)
                return
            process = message["process"]
            if process not in lines:
                lines[process] = bars.add_task("", total=1, status="")
            name = message["name"]
            if len(name) > room:  # what tells jobs apart stands at the beginning
                name = f"{name[: room - 1]}…"
            facts = {"description": name, "status": message["status"]}
            bars.update(lines[process], completed=message["share"], **facts)

        def show(done: int, text: str) -> None:
            bars.update(whole, completed=done, status=text)

        yield SweepProgress(jobs, show, on_message)
        for line in lines.values():
            bars.remove_task(line)


def _write(message: Message) -> None:
    stream = sys.stderr if message["error"] else sys.stdout
    stream.write(message["text"])
    stream.flush()


def _bars() -> ProgressBar:
    return ProgressBar(
        TextColumn("{task.description}", style="bold", markup=False, table_column=_one_line()),
        BarColumn(bar_width=_BAR),
        TextColumn("{task.fields[status]}", markup=False, table_column=_one_line()),
        console=open_console(sys.stdout),
        refresh_per_second=4,
        redirect_stderr=sys.stderr.isatty(),
    )


def _one_line() -> Column:
    return Column(no_wrap=True, overflow="ellipsis")
