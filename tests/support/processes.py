"""Processes that run the command line."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

TIMEOUT = 170  # seconds after which a command is taken to hang


def begin(folder: Path, *arguments: str) -> subprocess.Popen:
    """Start the command line in a folder and in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "brnn", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def complete(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the command line in a folder; return its exit code and what it prints."""
    process = begin(folder, *arguments)
    out, err = process.communicate(timeout=TIMEOUT)
    return process.returncode, out, err


def wait_for_line(process: subprocess.Popen, *texts: str) -> None:
    """Read lines of a process until each text has been printed, or the process ends."""
    missing = set(texts)
    for line in process.stdout:
        missing -= {text for text in missing if text in line}
        if not missing:
            return


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds; fail if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
