"""Sweeps: a parent with a child for each job, skipped or continued when the command is repeated."""

import re
import signal

import pytest
from support.processes import complete as complete_in
from support.processes import wait_for_line
from support.stores import sweep_runs

from brnn.sweeps import sweep


def test_a_sweep_is_identified_by_its_jobs():
    identity = sweep.identify(["a=1,2", "b=3"], {})
    same = ["b=3", "a=1,2", "resume=force", "tracking.uri=x", "+hydra.job.chdir=true"]
    assert sweep.identify(same, {}) == identity
    assert sweep.identify(["b=4", "a=1,2"], {}) != identity
    assert sweep.identify(["a=1,2", "b=3"], {"zip": ["a"]}) != identity


@pytest.fixture(scope="module")
def estimators(offline, tmp_path_factory):
    """Two estimators on the embedded digits; the flag stands between the overrides."""
    folder = tmp_path_factory.mktemp("sweep")
    arguments = ("precision=binarynet", "--multirun", "estimator=ste,chernoff", "epochs=1")
    code, out, err = complete_in(folder, *arguments, environment=offline)
    assert code == 0, err
    return out, err, sweep_runs(folder)


@pytest.mark.slow
def test_a_sweep_is_a_parent_with_a_child_for_each_job(estimators):
    *_, runs = estimators
    assert {run.info.run_name for run in runs.children} == {
        "ste binarynet-simple-original-s0",
        "chernoff binarynet-simple-original-s0",
    }
    assert runs.statuses == ["FINISHED"] * 3
    (parent,) = runs.parents
    assert parent.info.run_name == "estimator=ste,chernoff precision=binarynet epochs=1"
    command = "brnn precision=binarynet estimator=ste,chernoff epochs=1 --multirun"
    assert parent.data.tags["mlflow.source.name"] == command


@pytest.mark.slow
def test_children_are_tagged_with_every_choice(estimators):
    *_, runs = estimators
    expected = {"precision": "binarynet", "topology": "simple", "recipe": "original"}
    expected |= {"attack": "fgsm", "dataset": "mnist", "seed": "0"}
    for run in runs.children:
        assert run.info.run_name.split()[0] == run.data.tags["estimator"]
        assert {key: run.data.tags[key] for key in expected} == expected
        assert {key: run.data.params[key] for key in expected} == expected
        assert run.data.tags["brnn_version"]


@pytest.mark.slow
def test_a_robustness_that_is_gradient_masking_is_tagged(estimators):
    *_, runs = estimators
    for run in runs.children:
        metrics, trusted = run.data.metrics, run.data.tags["trusted"]
        claimed = metrics["attack/robust_accuracy"]
        control = metrics["attack_identity/robust_accuracy"]
        assert claimed < control + 0.1 or trusted != "yes"


@pytest.mark.slow
def test_a_sweep_ends_with_a_table_of_its_jobs(estimators):
    out, err, runs = estimators
    lines = out.splitlines()
    assert "2 finished, 0 failed, 0 skipped" in lines
    assert lines[-2].startswith("brnn ui tracking.uri=sqlite:///")
    assert any(line.startswith("each group has at most one run: nothing") for line in lines)
    for run in runs.children:
        name = run.info.run_name
        assert any(line.startswith(f"{name}  ") for line in lines)
        (row,) = [line.split() for line in lines if re.match(f"{name} +finished ", line)]
        assert row[2:4] == ["finished", f"{run.data.metrics['test/accuracy']:.4f}"]
    assert all(line.startswith("warning: ") for line in err.splitlines())


@pytest.mark.slow
def test_failed_jobs_are_printed_and_repeated_and_finished_ones_skipped(folder, complete):
    rates, sizes = "optimizer.learning_rate=0.01,1e30", "batch_size=32,5000"
    arguments = ["epochs=2", rates, sizes, "--multirun"]
    code, out, err = complete(*arguments, "dry_run=true")
    assert (code, out.splitlines()[-1]) == (1, "2 failed, 2 run")  # batches above the rows
    assert sweep_runs(folder).statuses == []
    code, out, err = complete(*arguments)
    assert code == 1
    assert "Traceback" not in out + err
    assert "1 finished, 3 failed" in out
    assert "batch_size must be at most 162, the training rows, got 5000" in out
    assert "try a lower optimizer.learning_rate" in out
    assert err.splitlines()[-1].startswith("error: 3 of 4 jobs failed: ")
    assert sorted(sweep_runs(folder).statuses) == ["FAILED"] * 4 + ["FINISHED"]
    code, out, err = complete(*arguments)
    runs = sweep_runs(folder)
    assert (code, len(runs.parents), len(runs.children)) == (1, 1, 4)
    assert "0 finished, 3 failed, 1 skipped" in out


@pytest.mark.slow
def test_a_stopped_sweep_continues_under_the_same_parent(folder, begin, complete):
    arguments = ["seed=range(3)", "epochs=40", "hydra.launcher.n_jobs=1", "--multirun"]
    process = begin(*arguments)
    wait_for_line(process, "^s1 .*  epoch 3/")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143
    stopped = "error: stopped; the same command continues after the last finished epoch"
    assert err.splitlines()[-1] == stopped
    assert "Traceback" not in err
    assert "1 finished, 0 failed, 0 skipped, 1 killed" in out
    runs = sweep_runs(folder)
    assert [run.info.status for run in runs.children] == ["FINISHED", "KILLED"]
    code, out, err = complete(*arguments, "dry_run=true")
    assert err == ""
    plan = [line.split()[1:] for line in out.splitlines()[-4:-1]]
    assert plan == [["skip"], ["resume", str(40 - runs.epochs[1])], ["run", "40"]], out
    code, out, err = complete(*arguments)
    assert code == 0
    assert "2 finished, 0 failed, 1 skipped" in out
    runs = sweep_runs(folder)
    assert runs.statuses == ["FINISHED"] * 4
    assert runs.epochs == [40, 40, 40]
