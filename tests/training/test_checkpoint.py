"""Checkpoints are whole after a crash, and are never pickles."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from brnn.training import checkpoint

KILLED_BEFORE_THE_RENAME = """
import os, pathlib, signal, sys
import numpy as np
from brnn.training import checkpoint
sys.addaudithook(lambda event, _: event == "os.rename" and os.kill(os.getpid(), signal.SIGKILL))
checkpoint.save(pathlib.Path(sys.argv[1]), {"last": [np.ones(9)]}, {"epoch": 2})
"""
DISK_FULL = """
import pathlib, resource, signal, sys
import numpy as np
from brnn.training import checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
checkpoint.save(pathlib.Path(sys.argv[1]), {"last": [np.ones(9999)]}, {"epoch": 2})
"""
WRITING_ON_AND_ON = """
import itertools, pathlib, sys
import numpy as np
from brnn.training import checkpoint
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
    loaded, loaded_values = checkpoint.load(tmp_path / "new" / "run.npz")
    assert loaded_values == values
    assert list(loaded) == list(arrays)
    for name, group in arrays.items():
        for array, read in zip(group, loaded[name], strict=True):
            assert (read.dtype, read.shape) == (array.dtype, array.shape)
            assert read.tobytes() == array.tobytes()


def test_a_later_checkpoint_replaces_the_earlier_one_and_leaves_no_other_file(path):
    checkpoint.save(path, {"last": [np.ones(3)]}, {"epoch": 2})
    assert checkpoint.load(path)[1] == {"epoch": 2}
    assert list(path.parent.iterdir()) == [path]


def test_a_kill_before_the_rename_leaves_the_old_file(path):
    assert saving(KILLED_BEFORE_THE_RENAME, path).returncode == -signal.SIGKILL
    arrays, values = checkpoint.load(path)
    assert values == {"epoch": 1}
    np.testing.assert_array_equal(arrays["last"][0], np.zeros(3))
    checkpoint.save(path, {"last": [np.ones(3)]}, {"epoch": 2})  # over the partial file of the kill
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_alone(path):
    full = saving(DISK_FULL, path)
    assert full.returncode == 1
    assert "OSError" in full.stderr
    assert checkpoint.load(path)[1] == {"epoch": 1}
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_sees_a_whole_file_while_another_process_writes(path):
    writer = subprocess.Popen([sys.executable, "-c", WRITING_ON_AND_ON, path])
    epochs = set()
    try:
        while len(epochs) < 8:
            assert writer.poll() is None
            arrays, values = checkpoint.load(path)
            epochs.add(values["epoch"])
            assert values["epoch"] == 1 or set(arrays["last"][0]) == {values["epoch"]}
    finally:
        writer.kill()
        writer.wait()
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


def test_publishing_copies_a_checkpoint_and_keeps_the_newest(tmp_path):
    folder = tmp_path / "trained"
    for age, name in enumerate(("new", "older", "oldest")):
        checkpoint.save(tmp_path / "run.npz", {}, {"name": name})
        checkpoint.publish(tmp_path / "run.npz", folder / f"{name}.npz", keep=3)
        os.utime(folder / f"{name}.npz", (1e9 - age, 1e9 - age))
    checkpoint.save(tmp_path / "run.npz", {}, {"name": "newest"})
    checkpoint.publish(tmp_path / "run.npz", folder / "newest.npz", keep=2)
    assert {file.name for file in folder.iterdir()} == {"newest.npz", "new.npz"}
    assert checkpoint.load(folder / "newest.npz") == ({}, {"name": "newest"})
    assert checkpoint.load(tmp_path / "run.npz") == ({}, {"name": "newest"})
