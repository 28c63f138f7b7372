"""The process that the jobs of a sweep are forked from, itself forked and not started anew."""

import fcntl
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence

FREE = 512  # a descriptor above those that are in use
SERVER = "from multiprocessing.forkserver import main"  # what `multiprocessing` starts Python with


def keep_spare() -> None:
    """Fork a process that `multiprocessing` later gets where it would start its server of forks.

    It has imported what this process has, and has done nothing else. It gets the environment, the
    folder and the signal mask that a new process would have, and ends with its parent. Until then
    it is not there for Ctrl-C.
    """
    from multiprocessing import util  # after brnn.cli.leave, whose handler is to run last

    ours, theirs = socket.socketpair()
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    pid = os.fork()
    if pid == 0:
        ours.close()
        _wait(theirs)
    signal.pthread_sigmask(signal.SIG_SETMASK, masked)
    theirs.close()
    start = util.spawnv_passfds

    def start_or_reuse(path: str, arguments: Sequence[str], descriptors: Sequence[int]) -> int:
        if not arguments[-1].startswith(SERVER):
            return start(path, arguments, descriptors)
        util.spawnv_passfds = start
        masked = [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())]
        request = [arguments[-1], dict(os.environ), os.getcwd(), masked, list(descriptors)]
        with ours:
            socket.send_fds(ours, [json.dumps(request).encode()], descriptors)
        return pid

    util.spawnv_passfds = start_or_reuse


def _wait(parent: socket.socket) -> None:
    """Wait for the request of the parent, and run what it states; end if there is none."""
    content, descriptors, *_ = socket.recv_fds(parent, 1 << 20, 2)
    while chunk := parent.recv(1 << 20):
        content += chunk
    parent.close()
    if not content:
        os._exit(0)
    code, environment, folder, masked, numbers = json.loads(content)
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FREE) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    for descriptor, number in zip(moved, numbers, strict=True):
        os.dup2(descriptor, number, inheritable=False)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    signal.pthread_sigmask(signal.SIG_SETMASK, masked)
    sys.argv = ["-c"]
    try:
        exec(code, {"__name__": "__main__"})
    finally:
        os._exit(0)
