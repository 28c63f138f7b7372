"""Processes: the identity of the one that writes a run."""

import os
import signal
import subprocess
import sys

from brnn.tracking.process import alive, owner, start_time


def test_this_process_is_alive_and_a_process_elsewhere_unknown():
    assert alive(owner()) is True
    assert alive(f"elsewhere:{os.getpid()}:1") is None


def test_a_later_process_of_the_same_id_is_another_one():
    host, pid, _ = owner().split(":")
    assert alive(f"{host}:{pid}:1") is False


def test_a_zombie_and_an_ended_process_are_not_alive():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    host = owner().split(":")[0]
    identity = f"{host}:{child.pid}:{start_time(child.pid)}"
    assert alive(identity)
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(identity)  # a zombie
    child.wait()
    assert not alive(identity)
