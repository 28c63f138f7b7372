"""The identity of a process: whether the process that wrote a run is still alive."""

import os
import socket
from pathlib import Path


def owner() -> str:
    """Return the current process as `host:pid:start`; the start time tells reused ids apart."""
    return f"{socket.gethostname()}:{os.getpid()}:{start_time(os.getpid())}"


def alive(process: str) -> bool | None:
    """Return whether a process is running, or None if it belongs to another machine.

    Args:
        process: an identity that `owner` returned.
    """
    host, pid, start = process.split(":")
    if host != socket.gethostname():
        return None
    return start != "" and start_time(int(pid)) == start


def start_time(pid: int) -> str:
    """Return the start time of a process of this machine in clock ticks; empty if it has ended.

    Without `/proc` the start time of every live process is `running`.
    """
    if not Path("/proc/self/stat").exists():
        return "running" if _exists(pid) else ""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]  # a zombie has ended


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
