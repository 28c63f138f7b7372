"""Processes that run the command line, or other programs."""

import atexit
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

TIMEOUT = 170  # seconds after which a command is taken to hang


class Process:
    """A process in a process group of its own, with the interface of `subprocess.Popen`.

    It is forked from a process that has imported what a run needs.

    Args:
        folder: where it runs.
        command: what follows `python`: `-m`, a module and its arguments, or a file and its own.
        environment: its variables; those that Python or TensorFlow read at their start have no
            effect. None: those of this process.
    """

    def __init__(
        self, folder: Path, command: Sequence[str], environment: dict[str, str] | None = None
    ):
        variables = dict(os.environ) if environment is None else environment
        request = {"folder": str(folder), "command": command, "environment": variables}
        pipes = [os.pipe() for _ in range(2)]
        self.stdout, self.stderr = (os.fdopen(reader) for reader, _ in pipes)
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(_server())
        writers = [writer for _, writer in pipes]
        socket.send_fds(self._connection, [json.dumps(request).encode() + b"\n"], writers)
        for writer in writers:
            os.close(writer)
        self._answers = self._connection.makefile()
        self.pid = int(self._answers.readline())

    def poll(self) -> int | None:
        """Return the exit code; None while the process runs."""
        try:
            return self.wait(timeout=0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end of the process, and return its exit code, -n after signal n."""
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._connection, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired("brnn", timeout or 0)
            self.returncode = os.waitstatus_to_exitcode(int(self._answers.readline()))
            self._answers.close()
            self._connection.close()
        return self.returncode

    def communicate(self, timeout: float = TIMEOUT) -> tuple[str, str]:
        """Return what the process prints until its end; TimeoutExpired after that many seconds."""
        end, read = time.monotonic() + timeout, {self.stdout: b"", self.stderr: b""}
        with selectors.DefaultSelector() as selector:
            for stream in read:
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(0, end - time.monotonic()))
                if not ready:
                    raise subprocess.TimeoutExpired("brnn", timeout)
                for key, _ in ready:
                    chunk = os.read(key.fd, 1 << 16)
                    read[key.fileobj] += chunk
                    if not chunk:
                        selector.unregister(key.fileobj)
        self.wait(max(0, end - time.monotonic()))
        out, err = (content.decode() for content in read.values())
        return out, err

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the process."""
        self.send_signal(signal.SIGKILL)


@cache
def _server() -> str:
    """Start the process that others are forked from; return the path of its socket."""
    folder = tempfile.TemporaryDirectory()
    path = f"{folder.name}/socket"
    command = [sys.executable, "-m", "support.fork_server", path]
    set_by_imports = ("HYDRA_", "TF_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(set_by_imports)}
    keys = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "start_new_session": True}
    server = subprocess.Popen(command, cwd=Path(__file__).parents[1], env=environment, **keys)
    atexit.register(folder.cleanup)
    assert server.stdout.readline() == b"ready\n"
    return path


def begin(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> Process:
    """Start the command line in a folder."""
    return Process(folder, ["-m", "brnn", *arguments], environment)


def complete(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None
) -> tuple[int, str, str]:
    """Run the command line in a folder; return its exit code and what it prints."""
    process = begin(folder, *arguments, environment=environment)
    out, err = process.communicate()
    return process.wait(), out, err


def wait_for_line(process: subprocess.Popen, *patterns: str) -> None:
    """Read lines of a process until each pattern has matched one, or the process ends."""
    missing = set(patterns)
    for line in process.stdout:
        missing -= {pattern for pattern in missing if re.search(pattern, line)}
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
