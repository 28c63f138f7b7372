"""The identity of a process, and whether it is alive."""

import os
import socket
from pathlib import Path


def owner() -> str:
    """Return the present process as `host:pid:start`, since process ids are used again."""
    return f"{socket.gethostname()}:{os.getpid()}:{_start(os.getpid())}"


def alive(process: str) -> bool | None:
    """Return whether a process that `owner` named still runs; None if it is on another machine."""
    host, pid, start = process.split(":")
    if host != socket.gethostname():
        return None
    return start != "" and _start(int(pid)) == start


def _start(pid: int) -> str:
    """Return when a process of this machine started; empty if it is gone.

    Without `/proc` every live process has the same start.
    """
    if not Path("/proc/self/stat").exists():
        return "running" if _exists(pid) else ""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]  # dead, but not yet waited for


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
