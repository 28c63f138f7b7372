"""Single lines on stdout and stderr."""

import sys
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

_UNLIMITED = 10_000  # columns of what is no terminal


def note(text: str) -> None:
    """One line on stdout."""
    write(sys.stdout, one_line(text))


def verdict(text: str, good: bool) -> None:
    """One line on stdout, in green where it is good news."""
    write(sys.stdout, Text(one_line(text), "green" if good else "bold yellow"))


def warning(text: str) -> None:
    """One line on stderr that begins with `warning:`."""
    write(sys.stderr, Text.assemble(("warning:", "bold yellow"), f" {one_line(text)}"))


def error(text: str) -> None:
    """One line on stderr that begins with `error:`."""
    write(sys.stderr, Text.assemble(("error:", "bold red"), f" {one_line(text)}"))


def open_console(stream: TextIO) -> Console:
    terminal = stream.isatty()
    width = None if terminal else _UNLIMITED
    return Console(
        file=stream,
        force_terminal=terminal,
        width=width,
        markup=False,
        emoji=False,
        highlight=False,
    )


def write(stream: TextIO, *parts: str | Text | Table) -> None:
    """Writes all parts, each on lines of its own, in one go: what several processes write does not mix.

    The stream does the writing, not its console: while there is a progress bar, that puts the text above it.
    """
    console = open_console(stream)
    with console.capture() as capture:
        for part in parts:
            console.print(part, soft_wrap=not isinstance(part, Table))
    stream.write(capture.get())
    stream.flush()


def one_line(text: str) -> str:
    return " ".join(text.splitlines())
