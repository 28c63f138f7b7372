"""A real (pseudo) terminal, and what it shows."""

import os
import re
from contextlib import ExitStack, redirect_stderr, redirect_stdout

import pytest


def on_a_terminal(monkeypatch, write, columns=120, **variables) -> str:
    """What `write()` shows on a real (pseudo) terminal, escape sequences included."""
    pytest.importorskip("pty")
    for name in ("CI", "NO_COLOR", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": str(columns), **variables}.items():
        monkeypatch.setenv(name, value)
    reader, writer = os.openpty()
    with ExitStack() as stack:
        stream = stack.enter_context(open(writer, "w", encoding="utf-8"))
        stack.enter_context(redirect_stdout(stream))
        stack.enter_context(redirect_stderr(stream))
        write()
        stream.write("\0")
        stream.flush()
        shown = b""
        while not shown.endswith(b"\0"):  # a terminal hands over what it has, piece by piece
            shown += os.read(reader, 65_536)
    os.close(reader)
    return shown[:-1].decode()


def without_escapes(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)


def words(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())
