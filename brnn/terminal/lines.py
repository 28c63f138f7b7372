"""Single lines on stdout and stderr."""

import sys
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from brnn.paths import masked

_UNLIMITED = 10_000  # columns where the stream is not a terminal


def note(text: str) -> None:
    """Print one line on stdout."""
    write(sys.stdout, one_line(text))


def verdict(text: str, good: bool) -> None:
    """Print one line on stdout, green if `good`, else yellow."""
    write(sys.stdout, Text(one_line(text), "green" if good else "bold yellow"))


def warning(text: str) -> None:
    """Print one line on stderr that begins with `warning:`."""
    write(sys.stderr, Text.assemble(("warning:", "bold yellow"), f" {one_line(text)}"))


def error(text: str) -> None:
    """Print one line on stderr that begins with `error:`."""
    write(sys.stderr, Text.assemble(("error:", "bold red"), f" {one_line(text)}"))


def open_console(stream: TextIO) -> Console:
    """Return a console that writes text literally, and never folds it outside a terminal."""
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
    """Write all parts, each on lines of its own, at once, so that lines of processes do not mix.
    Passwords of URIs are masked.

    The stream does the writing, not its console: a progress bar then stays below the text.
    """
    console = open_console(stream)
    with console.capture() as capture:
        for part in parts:
            console.print(part, soft_wrap=not isinstance(part, Table))
    stream.write(masked(capture.get()))
    stream.flush()


def one_line(text: str) -> str:
    """Return a text with its line breaks replaced by spaces."""
    return " ".join(text.splitlines())
