"""Children: a job that fails is recorded, and stops no other."""

import dataclasses
import pickle

import cloudpickle
import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from support import processes
from support.stores import sweep_runs

from brnn import paths
from brnn.sweeps.child import SweepTask
from brnn.tracking.sweep_job import SweepJob


def test_a_task_passes_its_number_and_its_trial_to_each_job():
    common = SweepJob("parent", "command", ("epochs=1",), {"study": "one"})
    task = SweepTask(lambda composed, job: (composed, job), common, {4: 4, 5: 7})
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        composed = compose("config", ["hydra.job.num=5"], return_hydra_config=True)
    previous = HydraConfig.instance().cfg
    try:
        HydraConfig.instance().set_config(composed)
        result = pickle.loads(cloudpickle.dumps(task))("configuration")
    finally:
        HydraConfig.instance().cfg = previous
    assert result == ("configuration", dataclasses.replace(common, number=5, trial=7))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with easy data, and with two damaged copies."""
    folder = tmp_path_factory.mktemp("data")
    y = np.arange(400) % 2
    x = np.random.default_rng(0).uniform(0, 0.4, (400, 4, 4)) + 0.5 * y[:, None, None]
    x = x.astype("float32")
    np.savez(folder / "good.npz", x=x, y=y)
    np.savez(folder / "shapes.npz", x=x, y=y[1:])
    x[7, 1, 2] = np.nan
    np.savez(folder / "holes.npz", x=x, y=y)
    return folder


@pytest.fixture(scope="module")
def partly_failed(offline, folder_with_store, data):
    """Six jobs: three data sets, two of them damaged, by two learning rates, one far too high."""
    folder = folder_with_store("failed")
    files = ",".join(str(data / f"{name}.npz") for name in ("holes", "good", "shapes"))
    net = ("precision=full", "topology.width=8", "topology.activation=relu", "optimizer=sgd")
    swept = (f"dataset.path={files}", "optimizer.learning_rate=1e35,0.1")
    options = ("attack=none", "figures=[]", "dataset=arrays", "batch_size=20", "--multirun")
    done = processes.complete(folder, *net, *swept, *options, environment=offline)
    return done, sweep_runs(folder)


@pytest.mark.slow
def test_a_failed_job_does_not_stop_the_others(partly_failed):
    (code, _, _), runs = partly_failed
    assert code == 1
    assert sorted(run.info.status for run in runs.children) == ["FAILED"] * 5 + ["FINISHED"]
    (finished,) = [run for run in runs.children if run.info.status == "FINISHED"]
    assert finished.data.metrics["test/accuracy"] > 0.9


@pytest.mark.slow
def test_failed_jobs_are_recorded_with_their_errors(partly_failed):
    _, runs = partly_failed
    errors = [run.data.tags["error"] for run in runs.children if run.info.status == "FAILED"]
    assert sum("holes.npz: x must be finite" in error for error in errors) == 2
    assert sum("shapes.npz: y must have one label for each" in error for error in errors) == 2
    assert sum(error.startswith("NonFiniteError: epoch ") for error in errors) == 1
    (parent,) = runs.parents
    assert parent.info.status == "FAILED"
    assert parent.data.tags["error"].startswith("SweepError: 5 of 6 jobs failed: ")


@pytest.mark.slow
def test_names_begin_with_the_overrides_in_which_jobs_differ(partly_failed, data):
    _, runs = partly_failed
    assert len({run.info.run_name for run in runs.children}) == 6
    (finished,) = [run for run in runs.children if run.info.status == "FINISHED"]
    varied = f"path={data}/good.npz learning_rate=0.1"
    assert finished.info.run_name == f"{varied} full-identity-simple-original-s0"
    assert f"path={data}/holes.npz learning_rate=0.1" in {
        run.info.run_name for run in runs.children
    }


@pytest.mark.slow
def test_every_failed_job_is_a_line_and_the_last_line_counts_them(partly_failed, data):
    (_, out, err), _ = partly_failed
    *lines, last = err.splitlines()
    assert [line.startswith("error: ") for line in lines] == [True] * 5
    holes = f"optimizer.learning_rate=1e+35: {data}/holes.npz: x must be finite"
    assert f"dataset.path={data}/holes.npz {holes}" in " ".join(lines)
    assert last.startswith("error: 5 of 6 jobs failed: ")
    assert "1 finished, 5 failed, 0 skipped" in out.splitlines()
