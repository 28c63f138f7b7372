"""Checkpoints are whole after a crash, and no pickles; one process at a time holds a lock."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import numpy as np
import pytest

from brnn import locks
from brnn.training import checkpoint

KILLED_BEFORE_THE_RENAME = """
import os, pathlib, signal, sys
import numpy as np
from brnn import checkpoint
sys.addaudithook(lambda event, _: event == "os.rename" and os.kill(os.getpid(), signal.SIGKILL))
checkpoint.save(pathlib.Path(sys.argv[1]), {"last": [np.ones(9)]}, {"epoch": 2})
"""
DISK_FULL = """
import pathlib, resource, signal, sys
import numpy as np
from brnn import checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
checkpoint.save(pathlib.Path(sys.argv[1]), {"last": [np.ones(9999)]}, {"epoch": 2})
"""
WRITING_ON_AND_ON = """
import itertools, pathlib, sys
import numpy as np
from brnn import checkpoint
for epoch in itertools.count(1):
    checkpoint.save(pathlib.Path(sys.argv[1]), {"last": [np.full(50_000, epoch)]}, {"epoch": epoch})
"""


def saving(script, path):
    return subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=False
    )


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "run.npz"
    checkpoint.save(file, {"last": [np.zeros(3)]}, {"epoch": 1})
    return file


def test_arrays_keep_order_type_and_shape(tmp_path):
    arrays = {
        "last": [np.full((i, 2), i, "float32") for i in range(12)],  # .10 and .11 sort before .2
        "best": [np.uint32([2**32 - 1, 7]), np.array(3, "int64"), np.float32([np.nan, -0.0])],
    }
    values = {
        "epoch": 3,
        "history": [{"train/loss": 0.1}, {"train/loss": float("inf")}],
        "name": "µ",
    }
    checkpoint.save(tmp_path / "new" / "run.npz", arrays, values)
    loaded, read = checkpoint.load(tmp_path / "new" / "run.npz")
    assert read == values
    assert list(loaded) == list(arrays)
    for name, group in arrays.items():
        for array, again in zip(group, loaded[name], strict=True):
            assert (again.dtype, again.shape, again.tobytes()) == (
                array.dtype,
                array.shape,
                array.tobytes(),
            )


def test_a_later_checkpoint_replaces_the_earlier_and_nothing_else_stays(path):
    checkpoint.save(path, {"last": [np.ones(3)]}, {"epoch": 2})
    assert checkpoint.load(path)[1] == {"epoch": 2}
    assert list(path.parent.iterdir()) == [path]


def test_a_kill_before_the_new_file_takes_its_place_leaves_the_old_one(path):
    assert saving(KILLED_BEFORE_THE_RENAME, path).returncode == -signal.SIGKILL
    arrays, values = checkpoint.load(path)
    assert values == {"epoch": 1}
    np.testing.assert_array_equal(arrays["last"][0], np.zeros(3))
    checkpoint.save(path, {"last": [np.ones(3)]}, {"epoch": 2})  # over what the kill left
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_no_other(path):
    full = saving(DISK_FULL, path)
    assert full.returncode == 1
    assert "OSError" in full.stderr
    assert checkpoint.load(path)[1] == {"epoch": 1}
    assert list(path.parent.iterdir()) == [path]


def test_whoever_reads_meanwhile_sees_a_whole_file(path):
    writer = subprocess.Popen([sys.executable, "-c", WRITING_ON_AND_ON, path])
    seen, end = set(), time.monotonic() + 20
    try:
        while len(seen) < 8 and time.monotonic() < end:
            arrays, values = checkpoint.load(path)
            seen.add(values["epoch"])
            assert values["epoch"] == 1 or set(arrays["last"][0]) == {values["epoch"]}
    finally:
        writer.kill()
        writer.wait()
    assert len(seen) == 8
    arrays, values = checkpoint.load(path)
    assert set(arrays["last"][0]) == {values["epoch"]}


class Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_a_pickle_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("evil.npz", **{"last.0": np.array([Trap()])}, json=np.frombuffer(b"{}", "uint8"))
    with pytest.raises(ValueError, match="allow_pickle"):
        checkpoint.load(tmp_path / "evil.npz")
    assert not (tmp_path / "sprung").exists()


# Locks

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


def test_one_process_at_a_time_has_a_lock_and_none_leaves_its_file(tmp_path):
    path = tmp_path / "number"
    path.write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", COUNTING, path]) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 4
    assert path.read_text() == "800"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])  # the latter removes the file
def test_a_lock_is_waited_for_until_the_process_that_holds_it_is_gone(tmp_path, end):
    first = holding(tmp_path / "net", 60)
    assert first.stdout.readline() == "holds\n"
    others = [holding(tmp_path / "net", 0.5) for _ in range(2)]
    assert [other.stdout.readline() for other in others] == ["waits\n"] * 2
    first.send_signal(end)
    assert [other.communicate(timeout=60)[0] for other in others] == ["holds\n"] * 2
    first.communicate()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_file_somebody_removed_leaves_the_file_of_another_alone(tmp_path):
    file = tmp_path / "net.lock"
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(locks.locked(tmp_path / "net"))
        file.unlink()
        second.enter_context(locks.locked(tmp_path / "net"))
        first.close()
        assert file.exists()
    assert not file.exists()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_one_warning(tmp_path, monkeypatch, capsys, code):
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
