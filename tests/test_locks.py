"""Locks: one process at a time holds one, and none leaves its file."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest

from brnn import locks

COUNTING = """
import pathlib, sys
from brnn.locks import locked
path = pathlib.Path(sys.argv[1])
for _ in range(200):
    with locked(path):
        path.write_text(str(int(path.read_text()) + 1))
"""
HOLDING = """
import pathlib, sys, time
from brnn.locks import locked
with locked(pathlib.Path(sys.argv[1]), lambda: print("waits", flush=True)):
    print("holds", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holding(path, seconds):
    command = [sys.executable, "-c", HOLDING, path, str(seconds)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, text=True, **streams)


def test_one_process_at_a_time_holds_a_lock_and_none_leaves_its_file(tmp_path):
    path = tmp_path / "number"
    path.write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", COUNTING, path]) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 4
    assert path.read_text() == "800"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])  # the latter removes the file
def test_a_process_waits_for_a_lock_until_the_holder_has_ended(tmp_path, end):
    first = holding(tmp_path / "net", 60)
    assert first.stdout.readline() == "holds\n"
    others = [holding(tmp_path / "net", 0.5) for _ in range(2)]
    assert [other.stdout.readline() for other in others] == ["waits\n"] * 2
    first.send_signal(end)
    assert [other.communicate(timeout=60)[0] for other in others] == ["holds\n"] * 2
    first.communicate()
    assert list(tmp_path.iterdir()) == []


def test_a_holder_whose_file_was_removed_does_not_remove_that_of_the_next(tmp_path):
    file = tmp_path / "net.lock"
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(locks.locked(tmp_path / "net"))
        file.unlink()
        second.enter_context(locks.locked(tmp_path / "net"))
        first.close()
        assert file.exists()
    assert not file.exists()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_gives_one_warning(tmp_path, monkeypatch, capsys, code):
    def unsupported(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    for name in ("net", "net", "other"):
        with locks.locked(tmp_path / name, pytest.fail):
            assert (tmp_path / f"{name}.lock").exists()
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: {tmp_path} is on a file system without locks (")
    assert list(tmp_path.iterdir()) == []


def test_any_other_error_of_a_lock_is_raised(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match="Input/output error"), locks.locked(tmp_path / "net"):
        pytest.fail("without a lock")
