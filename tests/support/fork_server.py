"""A process that has imported what a run needs, and forks others that run Python programs.

They so start in milliseconds where a new interpreter imports for seconds. Requests come by a Unix
socket, one connection each: a line of JSON with the command, its folder and its environment, and
the descriptors of its stdout and stderr. The answer is its process id, and when it ends its wait
status.
"""

import contextlib
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Callable

from support.forked_pools import keep_spare

IMPORTED = (  # brnn.cli.leave first, as in brnn.cli.main
    *("brnn.cli.leave", "brnn.cli.main", "brnn.cli.train", "brnn.cli.job", "brnn.cli.startup"),
    "brnn.cli.compare",
)
STREAMS = 2  # descriptors of a request


def serve(path: str) -> Callable[[], None]:
    """Answer requests until the parent closes stdin; in a forked process, return what it runs."""
    added = _import()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    wakeup, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    selector = selectors.DefaultSelector()
    for file in (listener, wakeup, sys.stdin):
        selector.register(file, selectors.EVENT_READ)
    running: dict[int, socket.socket] = {}
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                os._exit(0)
            elif key.fileobj is wakeup:
                wakeup.recv(4096)
                _report_ended(running)
            elif command := _forked(listener.accept()[0], running, added):
                for inherited in (listener, wakeup, wake, *running.values()):
                    inherited.close()
                selector.close()
                return command


def _import() -> dict[str, str]:
    """Import what a run needs, and return the variables that it adds to the environment."""
    before = dict(os.environ)
    for module in IMPORTED:
        importlib.import_module(module)
    return {name: value for name, value in os.environ.items() if name not in before}


def _forked(
    connection: socket.socket, running: dict[int, socket.socket], added: dict[str, str]
) -> Callable[[], None] | None:
    """Fork a process for a request; return what it runs in that process, else None."""
    content, streams, *_ = socket.recv_fds(connection, 1 << 20, STREAMS)
    while not content.endswith(b"\n"):
        content += connection.recv(1 << 20)
    pid = os.fork()
    if pid == 0:
        connection.close()
        request = json.loads(content)
        os.environ.clear()
        os.environ.update(added | request["environment"])
        return lambda: _run(request["folder"], request["command"], streams)
    for stream in streams:
        os.close(stream)
    running[pid] = connection
    connection.sendall(f"{pid}\n".encode())
    return None


def _report_ended(running: dict[int, socket.socket]) -> None:
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with contextlib.suppress(BrokenPipeError), running.pop(pid) as connection:
                connection.sendall(f"{status}\n".encode())


def _run(folder: str, command: list[str], streams: list[int]) -> None:
    """Run a program as `python -m module …` or `python file …` does, in a new process group."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(folder)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, *streams)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, buffering=1)  # noqa: SIM115
    if "--multirun" in command:  # with -m, its short form, a sweep starts all its processes anew
        keep_spare()
    first, *rest = command
    if first == "-m":
        sys.path.insert(0, folder)
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, os.path.dirname(first))
        sys.argv = [first, *rest]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    del sys.path[0]  # the folder of the tests
    serve(sys.argv[1])()
