"""Sweepers: Optuna's trials, and jobs of Hydra's own sweeper and launcher."""

import json
import signal

import pytest
from support.processes import wait_for_line
from support.stores import sweep_runs

from brnn.tracking import tag_names

pytestmark = pytest.mark.slow


def test_jobs_of_another_sweeper_are_runs_without_a_parent(folder, complete):
    rates = "optimizer.learning_rate=0.01,1e30,0.02"
    code, _, err = complete("hydra/sweeper=basic", "epochs=2", rates, "--multirun")
    runs = sweep_runs(folder)
    assert code == 1
    assert err.splitlines()[-1].startswith("error: epoch ")  # the error of the second job
    assert "try a lower optimizer.learning_rate" in err.splitlines()[-1]
    assert runs.children == []
    statuses = {r.data.params["optimizer.learning_rate"]: r.info.status for r in runs.parents}
    assert statuses == {"0.01": "FINISHED", "1e+30": "FAILED", "0.02": "FINISHED"}
    assert not any(tag_names.JOB in run.data.tags for run in runs.parents)


def test_hydras_own_launcher_runs_the_jobs_of_a_sweep(folder, complete):
    arguments = ["hydra/launcher=basic", "seed=4,5", "epochs=1", "--multirun"]
    for line in ("2 finished, 0 failed, 0 skipped", "0 finished, 0 failed, 2 skipped"):
        code, out, err = complete(*arguments)
        assert code == 0, err
        assert line in out.splitlines()
    runs = sweep_runs(folder)
    (parent,) = runs.parents
    reused = f"{tag_names.REUSED}.{parent.info.run_id}"
    tags = [[run.data.tags[key] for key in (tag_names.JOB, reused)] for run in runs.children]
    assert sorted(tags) == [["0", "0"], ["1", "1"]]
    assert len({run.data.tags[tag_names.LAUNCH] for run in runs.children} - {""}) == 1


def test_optuna_prunes_and_continues_its_study(folder, begin, complete):
    optuna = pytest.importorskip("optuna")
    search = [
        "optimizer.learning_rate=tag(log,interval(1e-6,1e-1))",
        "epochs=4",
        "hydra/sweeper=optuna",
        "hydra.sweeper.pruner.name=MedianPruner",
        "+hydra.sweeper.pruner.n_startup_trials=1",
        "--multirun",
    ]
    process = begin(*search, "hydra.sweeper.trials=3")
    wait_for_line(process, "epoch 2/")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    code, out, err = complete(*search, "hydra.sweeper.trials=6")
    assert code == 0, out + err
    (name,) = optuna.get_all_study_names(f"sqlite:///{folder}/optuna.db")
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{folder}/optuna.db")
    states = [trial.state.name for trial in study.trials]
    assert states[0] == "FAIL"  # interrupted, and repeated as the second trial
    assert states.count("COMPLETE") + states.count("PRUNED") == 6
    assert study.trials[0].params == study.trials[1].params
    assert len(study.trials[1].intermediate_values) >= 2
    runs = sweep_runs(folder)
    assert (len(runs.parents), len(runs.children)) == (1, 6)
    expected = {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}
    statuses = [run.info.status for run in runs.children]
    assert sorted(statuses) == sorted(expected[state] for state in states[1:])
    epochs = zip(statuses, runs.epochs, strict=True)
    assert {number for status, number in epochs if status == "FINISHED"} == {4}
    assert "PRUNED" in states
    best = json.loads(runs.parents[0].data.tags["best"])
    assert best[0]["trial"] == study.best_trial.number
