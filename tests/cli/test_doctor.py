"""`brnn doctor`: what a report of a fault needs, and what would stop a run."""

import os
import subprocess
import sys

import pytest
from support.stores import open_in

import brnn
from brnn.cli import doctor, machine
from brnn.sweeps.cores import core_count


@pytest.fixture
def report(tmp_path, monkeypatch, capsys):
    """A function that runs the command in a folder; it returns the exit code, rows and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("BRNN_DATA", raising=False)

    def run() -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            doctor.main([])
        printed = capsys.readouterr()
        return int(str(ended.value)), " ".join(printed.out.split()), printed.err

    return run


def test_the_report_has_versions_machine_data_runs_and_environment(report, tmp_path):
    with open_in(tmp_path).run("one", {}, None):
        pass
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "a.npz").write_bytes(b"x" * 2048)
    code, out, err = report()
    assert (code, err) == (0, "")
    assert f"brnn {brnn.__version__}" in out
    for package in ("tensorflow", "keras", "numpy", "scipy", "mlflow", "hydra-core", "omegaconf"):
        assert f" {package} " in out
    assert f"cores {core_count()} permitted of {os.cpu_count()}" in out
    assert "mnist data/mnist: no such folder" in out
    assert f"store sqlite:///{tmp_path}/mlflow.db: reachable, 1 runs in 2 experiments" in out
    assert f"checkpoints {tmp_path}/checkpoints: 1 file, 2.0 KiB" in out
    assert out.endswith("nothing here would stop a run")


def test_nothing_is_created(report, tmp_path):
    code, out, _ = report()
    assert code == 0
    assert f"store sqlite:///{tmp_path}/mlflow.db: created by the first run" in out
    assert list(tmp_path.iterdir()) == []


def test_what_would_stop_a_run_is_an_error(report, monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("BRNN_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:s3cret@127.0.0.1:9")
    code, _, err = report()
    assert code == 1
    assert "error: KERAS_BACKEND=jax must be tensorflow" in err
    assert f"error: BRNN_DATA must be a folder that exists, got {tmp_path}/nowhere" in err
    assert "error: tracking.uri=http://me:***@127.0.0.1:9 failed" in err


def test_variables_are_shown_with_what_is_odd_and_without_secrets(report, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///x.db?password=s3cret")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret")
    monkeypatch.setenv("MLFLOW_RUN_ID", "abc")
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    monkeypatch.setenv("UNRELATED", "value")
    _, out, err = report()
    assert "s3cret" not in out + err
    assert "MLFLOW_TRACKING_PASSWORD ***" in out
    assert "MLFLOW_TRACKING_URI sqlite:///x.db?password=***" in out
    assert "MLFLOW_RUN_ID abc (each run is a new one" in out
    assert "TF_USE_LEGACY_KERAS 1 (no effect" in out
    assert "UNRELATED" not in out


def test_the_features_of_a_processor_are_read(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    assert machine.features() == []
    flags = "fpu sse4_2 avx2 avx512_vnni amx_tile amx_int8 avx_vnni hypervisor"
    (tmp_path / "cpuinfo").write_text(f"model name\t: CPU\nflags\t\t: {flags}\n\nflags\t: none\n")
    expected = ["amx_int8", "amx_tile", "avx2", "avx512_vnni", "avx_vnni", "sse4_2"]
    assert machine.features() == expected


WITHOUT_TENSORFLOW = """
import sys
from brnn.cli import doctor
try:
    doctor.main([])
finally:
    print(*{"tensorflow", "keras"} & sys.modules.keys(), file=sys.stderr)
"""


def test_tensorflow_is_not_imported(tmp_path):
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW]
    environment = os.environ | {"KERAS_HOME": str(tmp_path)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "\n")
