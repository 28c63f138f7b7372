"""Cores: one process per core, but a single one for a GPU."""

import os

import pytest

from brnn.config import processor
from brnn.errors import ConfigError
from brnn.sweeps import cores


@pytest.mark.parametrize("n_jobs", [0, -2, 2.5, "two"])
def test_an_invalid_number_of_processes_is_refused(n_jobs):
    message = rf"hydra.launcher.n_jobs must be a whole number.*, got {n_jobs}"
    with pytest.raises(ConfigError, match=message):
        cores.process_count(n_jobs)


def test_there_is_one_process_per_core_but_a_single_one_for_a_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr(cores, "DEVICES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "nvidiactl").touch()
    assert cores.process_count(None) == cores.process_count(-1) == cores.core_count()
    (tmp_path / "nvidia0").touch()
    counts = [cores.process_count(n_jobs) for n_jobs in (None, -1, 3)]
    assert counts == [1, cores.core_count(), 3]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert cores.process_count(None) == cores.core_count()


def test_cores_are_those_of_the_container(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "CGROUP", tmp_path)
    available = len(os.sched_getaffinity(0))
    quotas = {"max 100000": available, "100000 100000": 1, "50000 100000": 1}
    for text, count in (quotas | {"99900000 100000": available}).items():
        (tmp_path / "cpu.max").write_text(text)
        assert cores.core_count() == count, text
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    for text, count in (("-1", available), ("100000", 1)):
        (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{text}\n")
        assert cores.core_count() == count, text
