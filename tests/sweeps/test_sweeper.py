"""A sweep does what its command line says, tells what failed and why, and goes on where it was stopped."""

import dataclasses
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import OverrideParseException  # noqa: F401

from brnn import paths
from brnn.errors import ConfigError, LostJobError
from brnn.sweeps import launchers, pools, sweep
from brnn.sweeps.grid import grid_jobs
from brnn.tracking import tag_names
from brnn.tracking.store import open_store
from brnn.tracking.sweep_job import SweepJob

SMALL = [
    "precision=full",
    "topology=mlp",
    "topology.width=8",
    "topology.depth=1",
    "batch_size=32",
    "attack=none",
]
SMALL += ["dataset=arrays", "compiled=false"]


@pytest.fixture
def place(tmp_path):
    """A folder with 200 images in two classes; commands run in it."""
    rng = np.random.default_rng(0)
    x, y = rng.random((200, 28, 28)).astype("float32"), np.arange(200) % 2
    np.savez(tmp_path / "mine.npz", x=x * (1 + y[:, None, None]) / 2, y=y)
    return tmp_path


def begin(place, *arguments):
    command = [sys.executable, "-m", "brnn", *SMALL, "dataset.path=mine.npz", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=place, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


def ran(place, *arguments):
    process = begin(place, *arguments)
    out, err = process.communicate(timeout=170)
    return process.returncode, out, err


def runs(place):
    store = open_store(uri=f"sqlite:///{place}/mlflow.db", experiment="brnn")
    found = store.client.search_runs([store.experiment_id], order_by=["start_time ASC"])
    children = [one for one in found if tag_names.PARENT in one.data.tags]
    parents = [one for one in found if tag_names.PARENT not in one.data.tags]
    epochs = [
        len(store.client.get_metric_history(one.info.run_id, "train/loss")) for one in children
    ]
    return parents, children, epochs


def overrides(*lines):
    return OverridesParser.create().parse_overrides(list(lines))


def test_a_grid_has_every_combination_in_order_and_none_twice():
    assert grid_jobs(overrides("a=1,2", "b=x", "c=range(2)"), []) == [
        ["a=1", "b=x", "c=0"],
        ["a=1", "b=x", "c=1"],
        ["a=2", "b=x", "c=0"],
        ["a=2", "b=x", "c=1"],
    ]
    assert grid_jobs(overrides("a=1,2,1"), []) == [["a=1"], ["a=2"]]


@pytest.mark.parametrize("together", [["a", "b"], [["a", "b"]]])
def test_keys_in_zip_take_their_values_together(together):
    jobs = grid_jobs(overrides("a=1,2", "c=5,6", "b=x,y"), together)
    assert jobs == [
        ["a=1", "b=x", "c=5"],
        ["a=1", "b=x", "c=6"],
        ["a=2", "b=y", "c=5"],
        ["a=2", "b=y", "c=6"],
    ]


def test_several_groups_may_be_zipped():
    jobs = grid_jobs(overrides("a=1,2", "b=x,y", "c=5,6", "d=7,8"), [["a", "b"], ["c", "d"]])
    assert jobs[:2] == [["a=1", "b=x", "c=5", "d=7"], ["a=1", "b=x", "c=6", "d=8"]]
    assert len(jobs) == 4


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["a=1,2", "b=x,y,z"],
            "hydra.sweeper.zip: keys that go together need as many values each, but a has 2, b has 3",
        ),
        (
            ["a=1,2"],
            "hydra.sweeper.zip: keys that go together need as many values each, but a has 2, b has 0",
        ),
    ],
)
def test_keys_in_zip_need_as_many_values_each(lines, message):
    with pytest.raises(ConfigError, match=message):
        grid_jobs(overrides(*lines), ["a", "b"])


def test_an_interval_is_no_grid():
    with pytest.raises(
        ConfigError, match=r"a=interval\(0,1\): an interval needs hydra/sweeper=optuna"
    ):
        grid_jobs(overrides("a=interval(0,1)"), [])


def test_a_sweep_is_the_same_in_any_order_and_wherever_it_is_tracked():
    one = sweep.identify(["a=1,2", "b=3"], {})
    assert (
        sweep.identify(
            ["b=3", "a=1,2", "resume=force", "tracking.uri=x", "+hydra.job.chdir=true"], {}
        )
        == one
    )
    assert sweep.identify(["b=4", "a=1,2"], {}) != one
    assert sweep.identify(["a=1,2", "b=3"], {"zip": ["a"]}) != one


def test_failures_are_told_and_repeated_and_the_rest_is_skipped(place):
    sweep_ = ["epochs=2", "optimizer.learning_rate=0.01,1e30", "batch_size=32,5000", "--multirun"]
    code, out, err = ran(place, *sweep_, "dry_run=true")
    assert (code, out.splitlines()[-1]) == (0, "4 run")
    assert not (place / "mlflow.db").exists()
    code, out, err = ran(place, *sweep_)
    assert code == 1
    assert "Traceback" not in out + err
    assert "1 finished, 3 failed" in out
    assert "batch_size must be at most 162, the training rows, got 5000" in out
    assert "try a lower optimizer.learning_rate" in out
    assert err.splitlines()[-1].startswith("error: 3 of 4 jobs failed: ")
    (parent,), children, _ = runs(place)
    assert parent.info.status == "FAILED"
    assert sorted(one.info.status for one in children) == ["FAILED", "FAILED", "FAILED", "FINISHED"]
    code, out, err = ran(place, *sweep_)
    assert (code, len(runs(place)[0]), len(runs(place)[1])) == (1, 1, 4)
    assert "0 finished, 3 failed, 1 skipped" in out


def test_a_sweep_that_was_stopped_goes_on_under_the_same_parent(place):
    sweep_ = ["seed=range(3)", "epochs=40", "hydra.launcher.n_jobs=1", "--multirun"]
    process = begin(place, *sweep_)
    for line in process.stdout:
        if "-s1  epoch 3/" in line:
            break
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert (
        err.splitlines()[-1]
        == "error: stopped; the same command continues after the last finished epoch"
    )
    assert "Traceback" not in err
    assert "1 finished, 0 failed, 0 skipped, 1 killed" in out
    _, children, epochs = runs(place)
    assert [one.info.status for one in children] == ["FINISHED", "KILLED"]
    code, out, err = ran(place, *sweep_, "dry_run=true")
    assert [line.split()[1:] for line in out.splitlines()[-4:-1]] == [
        ["skip"],
        ["resume", str(40 - epochs[1])],
        ["run", "40"],
    ], out
    code, out, err = ran(place, *sweep_)
    assert (code, "2 finished, 0 failed, 1 skipped" in out) == (0, True)
    parents, children, epochs = runs(place)
    assert [one.info.status for one in (*parents, *children)] == ["FINISHED"] * 4
    assert epochs == [40, 40, 40]


def test_a_worker_that_is_killed_costs_no_job(place):
    process = begin(place, "seed=range(2)", "epochs=40", "hydra.launcher.n_jobs=2", "--multirun")
    for line in process.stdout:
        if "epoch 5/" in line:
            break
    running = next(one for one in runs(place)[1] if one.info.status == "RUNNING")
    os.kill(int(running.data.tags[tag_names.OWNER].split(":")[1]), signal.SIGKILL)
    out, err = process.communicate(timeout=170)
    assert process.returncode == 0, out + err
    assert "are tried again, one at a time: attempt 2 of 3" in err
    assert "2 finished" in out
    parents, children, epochs = runs(place)
    assert [one.info.status for one in (*parents, *children)] == ["FINISHED"] * 3
    assert epochs == [40, 40]


def test_a_job_that_always_kills_its_process_is_told_and_costs_no_other():
    jobs = [
        Errand(["seed=0"], "os._exit(9)"),
        *(Errand([f"seed={seed}"], "None") for seed in range(1, 9)),
    ]
    lost, *others = launchers.processes(jobs, n_jobs=2, attempts=3)
    assert lost.status is JobStatus.FAILED
    with pytest.raises(LostJobError, match="its process was killed, perhaps for want of memory"):
        _ = lost.return_value
    assert [one.overrides for one in others] == [job.overrides for job in jobs[1:]]
    assert {one.status for one in others} == {JobStatus.COMPLETED}


def test_a_pool_ends_no_process_but_its_own():
    stranger = multiprocessing.get_context(pools.METHOD).Process(target=time.sleep, args=(60,))
    stranger.start()
    try:
        jobs = [Errand([f"seed={seed}"], "os._exit(9)") for seed in range(2)]
        lost = launchers.processes(jobs, n_jobs=2, attempts=1)
        assert [one.status for one in lost] == [JobStatus.FAILED] * 2
        stranger.join(0.5)
        assert stranger.exitcode is None
        assert multiprocessing.active_children() == [stranger]
    finally:
        stranger.kill()
        stranger.join()


def test_an_error_that_no_process_can_pass_on_costs_no_other_job():
    lines = [
        "JobReturn(_return_value=OverrideParseException('a=', 'is no override'))",
        "json.loads('{')",
        "None",
    ]
    first, second, third = launchers.processes(
        [Errand(["seed=0"], line) for line in lines], n_jobs=2, attempts=1
    )
    assert third.status is JobStatus.COMPLETED
    for lost, reason in (
        (first, "missing 1 required positional argument"),
        (second, "Expecting property name"),
    ):
        with pytest.raises(LostJobError, match=reason):
            _ = lost.return_value


@dataclass(frozen=True)
class Errand:
    """A job that evaluates an expression."""

    overrides: list
    line: str

    def __call__(self):
        return eval(self.line) or JobReturn(overrides=self.overrides, status=JobStatus.COMPLETED)


def test_jobs_that_train_come_before_those_that_attack_the_same_net_a_few_nets_at_a_time():
    lines = [
        [f"seed={seed}", f"attack={attack}"] for seed in range(4) for attack in ("fgsm", "pgd")
    ]
    jobs = [Errand(line, "None") for line in lines]
    places = [place for place, _ in launchers._in_turn(jobs, 2)]
    assert places == [0, 2, 1, 3, 4, 6, 5, 7]
    assert [job.overrides for _, job in launchers._in_turn(jobs, 2)] == [
        lines[place] for place in places
    ]


def test_processes_give_the_numbers_of_one_job_after_the_other(place):
    net = [
        "topology.width=256",
        "batch_size=128",
        "precision=binarynet",
        "compiled=true",
        "attack=fgsm",
        "epochs=2",
    ]
    numbers = {}
    for n_jobs in (1, 2):
        keys = (
            f"hydra.launcher.n_jobs={n_jobs}",
            f"tracking.experiment=by{n_jobs}",
            "resume=false",
            "--multirun",
        )
        code, out, err = ran(place, *net, "seed=range(2)", *keys)
        assert code == 0, out + err
        store = open_store(uri=f"sqlite:///{place}/mlflow.db", experiment=f"by{n_jobs}")
        children = [
            one
            for one in store.client.search_runs([store.experiment_id])
            if tag_names.PARENT in one.data.tags
        ]
        numbers[n_jobs] = {
            (one.info.run_name, key): value
            for one in children
            for key, value in one.data.metrics.items()
            if not key.startswith(("time/", "train/images_per"))
        }
    assert len(numbers[1]) > 2 * 30
    assert numbers[2] == numbers[1]


def test_processes_that_attack_the_same_net_train_it_once(place):
    attacks = [
        "attack=noise,fgsm",
        "attack.images=10",
        "attack.checks=false",
        "seed=0,1",
        "epochs=3",
        "--multirun",
    ]
    code, out, err = ran(place, *attacks, "hydra.launcher.n_jobs=4")
    assert code == 0, out + err
    assert "4 finished" in out
    assert out.count("epoch 3/3") == out.count("takes the net that run") == 2
    assert sorted(runs(place)[2]) == [3, 3, 3, 3]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_processes_do_not_outlive_the_one_that_gives_them_jobs(place, number):
    process = begin(
        place, "seed=range(3)", "epochs=100000", "hydra.launcher.n_jobs=2", "--multirun"
    )
    started = set()
    for line in process.stdout:
        started |= {line.split()[0]} if "epoch 2/" in line else set()
        if len(started) == 2:
            break
    owners = [int(one.data.tags[tag_names.OWNER].split(":")[1]) for one in runs(place)[1]]
    assert len({process.pid, *owners}) == 3
    if number == signal.SIGINT:  # by Ctrl-C all processes get it
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while any(map(is_alive, owners)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_alive, owners))
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert "0 finished, 0 failed, 0 skipped, 2 killed" in out
        assert err == "error: stopped; the same command continues after the last finished epoch\n"
        assert [one.info.status for one in runs(place)[1]] == ["KILLED"] * 2


@pytest.mark.parametrize("seconds", [0.3, 0.7, 1.0, 2.5, 4.5])
def test_a_sweep_can_be_stopped_at_any_time(place, seconds):
    process = begin(
        place, "seed=range(3)", "epochs=100000", "hydra.launcher.n_jobs=2", "--multirun"
    )
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)
    assert seconds < 0.5 or "Traceback" not in err, err


def is_alive(pid):
    status = Path(f"/proc/{pid}/status")
    try:
        return "State:\tZ" not in status.read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("n_jobs", [0, -2, 2.5, "two"])
def test_a_launcher_refuses_no_processes(n_jobs):
    with pytest.raises(
        ConfigError, match=rf"hydra.launcher.n_jobs must be a whole number.*, got {n_jobs}"
    ):
        launchers.processes([], n_jobs=n_jobs, attempts=1)


@pytest.mark.parametrize("attempts", [0, "many"])
def test_a_launcher_refuses_no_attempts(attempts):
    with pytest.raises(
        ConfigError, match=rf"hydra.launcher.attempts must be .* from 1, got {attempts}"
    ):
        launchers.warm(1, n_jobs=1, attempts=attempts)


def test_processes_are_one_per_core_but_one_in_all_for_a_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr(pools, "DEVICES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "nvidiactl").touch()
    assert pools.workers(None) == pools.workers(-1) == pools.cores()
    (tmp_path / "nvidia0").touch()
    assert [pools.workers(n_jobs) for n_jobs in (None, -1, 3)] == [1, pools.cores(), 3]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert pools.workers(None) == pools.cores()


def test_cores_are_those_of_the_container(tmp_path, monkeypatch):
    monkeypatch.setattr(pools, "CONTROL", tmp_path)
    own = len(os.sched_getaffinity(0))
    for text, number in (
        ("max 100000", own),
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("99900000 100000", own),
    ):
        (tmp_path / "cpu.max").write_text(text)
        assert pools.cores() == number, text
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    for text, number in (("-1", own), ("100000", 1)):
        (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{text}\n")
        assert pools.cores() == number, text


@pytest.mark.parametrize("launcher", [["hydra/launcher=basic"], ["hydra.launcher.n_jobs=2"]])
def test_jobs_of_another_sweeper_are_runs_without_a_parent(place, launcher):
    rates = "optimizer.learning_rate=0.01,1e30,0.02"
    words = ["hydra/sweeper=basic", *launcher, "epochs=2", rates, "--multirun"]
    code, _, err = ran(place, *words)
    parents, children, _ = runs(place)
    assert code == 1
    assert err.splitlines()[-1].startswith("error: epoch ")  # the error of the second job
    assert "try a lower optimizer.learning_rate" in err.splitlines()[-1]
    assert children == []
    status = {one.data.params["optimizer.learning_rate"]: one.info.status for one in parents}
    assert status == {"0.01": "FINISHED", "1e+30": "FAILED", "0.02": "FINISHED"}
    assert not any(tag_names.JOB in one.data.tags for one in parents)


def test_hydras_own_launcher_runs_the_jobs_of_a_sweep(place):
    words = ["hydra/launcher=basic", "seed=4,5", "epochs=1", "--multirun"]
    for line in ("2 finished, 0 failed, 0 skipped", "0 finished, 0 failed, 2 skipped"):
        code, out, err = ran(place, *words)
        assert (code, out.splitlines()[-1]) == (0, line), err
    (parent,), children, _ = runs(place)
    reused = f"{tag_names.REUSED}.{parent.info.run_id}"
    tags = [[one.data.tags[key] for key in (tag_names.JOB, reused)] for one in children]
    assert sorted(tags) == [["0", "0"], ["1", "1"]]
    assert len({one.data.tags[tag_names.LAUNCH] for one in children} - {""}) == 1


def test_a_task_passes_to_each_job_its_number_and_trial(place):
    common = SweepJob("parent", "command", ("epochs=1",), {"study": "one"})
    task = sweep.Task(lambda composed, job: (composed, job), common, {4: 4, 5: 7})
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        composed = compose("config", ["hydra.job.num=5"], return_hydra_config=True)
    previous = HydraConfig.instance().cfg
    try:
        HydraConfig.instance().set_config(composed)
        found = pickle.loads(cloudpickle.dumps(task))("configuration")
    finally:
        HydraConfig.instance().cfg = previous
    assert found == ("configuration", dataclasses.replace(common, number=5, trial=7))


def test_optuna_prunes_goes_on_and_keeps_its_study(place):
    optuna = pytest.importorskip("optuna")
    search = [
        "optimizer.learning_rate=tag(log,interval(1e-6,1e-1))",
        "epochs=4",
        "hydra/sweeper=optuna",
        "--multirun",
    ]
    search += ["hydra.sweeper.pruner.name=MedianPruner", "+hydra.sweeper.pruner.n_startup_trials=1"]
    process = begin(place, *search, "hydra.sweeper.trials=3")
    for line in process.stdout:
        if "epoch 2/" in line:
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    code, out, err = ran(place, *search, "hydra.sweeper.trials=6")
    assert code == 0, out + err
    (name,) = optuna.get_all_study_names(f"sqlite:///{place}/optuna.db")
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{place}/optuna.db")
    states = [trial.state.name for trial in study.trials]
    assert (states[0], states.count("COMPLETE") + states.count("PRUNED")) == ("FAIL", 6)
    assert study.trials[0].params == study.trials[1].params
    assert len(study.trials[1].intermediate_values) >= 2
    parents, children, epochs = runs(place)
    assert (len(parents), len(children)) == (1, 6)
    assert sorted(one.info.status for one in children) == sorted(
        {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}[state] for state in states[1:]
    )
    assert [
        number
        for one, number in zip(children, epochs, strict=True)
        if one.info.status == "FINISHED"
    ] == [4] * (states.count("COMPLETE"))
    assert "PRUNED" in states
    assert json.loads(parents[0].data.tags["best"])[0]["trial"] == study.best_trial.number
