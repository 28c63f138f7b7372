"""Launchers: a lost process costs no job, and no process outlives its parent."""

import multiprocessing
import os
import re
import signal
import sys
import time

import pytest
from hydra.core.utils import JobStatus
from support.jobs import Errand
from support.processes import TIMEOUT, is_alive, wait_for_line, wait_until
from support.pseudo_terminal import on_a_terminal, without_escapes
from support.stores import owner_pid, sweep_runs

from brnn.errors import ConfigError, LostJobError
from brnn.sweeps import launchers, pools
from brnn.sweeps.jobs import in_turns

pytestmark = pytest.mark.slow


def test_a_job_that_always_kills_its_process_fails_and_costs_no_other():
    others = [Errand([f"seed={seed}"], "None") for seed in range(1, 9)]
    jobs = [Errand(["seed=0"], "os._exit(9)"), *others]
    lost, *completed = launchers.processes(jobs, n_jobs=2, attempts=3)
    assert lost.status is JobStatus.FAILED
    with pytest.raises(LostJobError, match="its process was killed, perhaps for lack of memory"):
        _ = lost.return_value
    assert [result.overrides for result in completed] == [job.overrides for job in others]
    assert {result.status for result in completed} == {JobStatus.COMPLETED}


def test_a_pool_kills_only_its_own_processes():
    stranger = multiprocessing.get_context(pools.METHOD).Process(target=time.sleep, args=(600,))
    stranger.start()
    try:
        jobs = [Errand([f"seed={seed}"], "os._exit(9)") for seed in range(2)]
        lost = launchers.processes(jobs, n_jobs=2, attempts=1)
        assert [result.status for result in lost] == [JobStatus.FAILED] * 2
        stranger.join(0.5)
        assert stranger.exitcode is None
        assert multiprocessing.active_children() == [stranger]
    finally:
        stranger.kill()
        stranger.join()


def test_an_error_that_cannot_be_pickled_costs_no_other_job():
    expressions = {
        "JobReturn(_return_value=OverrideParseException('a=', 'invalid'))": "missing 1 required",
        "json.loads('{')": "Expecting property name",
        "None": "",
    }
    jobs = [Errand(["seed=0"], expression) for expression in expressions]
    results = launchers.processes(jobs, n_jobs=2, attempts=1)
    for result, reason in zip(results, expressions.values(), strict=True):
        if reason:
            with pytest.raises(LostJobError, match=reason):
                _ = result.return_value
        else:
            assert result.status is JobStatus.COMPLETED


def test_without_a_terminal_finished_jobs_and_groups_are_plain_lines(capfd):
    value = "JobReturn(_return_value=Outcome({'a': 0.5}, False), status=JobStatus.COMPLETED)"
    launchers.processes(
        [Errand([f"seed={seed}"], value) for seed in range(2)], n_jobs=2, attempts=1
    )
    out = capfd.readouterr().out.splitlines()
    assert "all jobs: a 0.5000 ± 0.0000, 2 of 2 jobs" in out
    assert [line.split("  ")[:2] for line in out if line.startswith("sweep")] == [
        ["sweep", "1 of 2 jobs"],
        ["sweep", "2 of 2 jobs"],
    ]


def test_on_a_terminal_each_process_has_a_line_and_what_it_prints_stands_above(monkeypatch):
    show = "progress.training_progress(2, 's1 ' + 'net-' * 30).__enter__().update({}, 1)"
    jobs = [Errand([f"seed={seed}"], f"[{show}, lines.note('working')][1]") for seed in range(2)]
    shown = on_a_terminal(
        monkeypatch, lambda: launchers.processes(jobs, n_jobs=2, attempts=1), columns=80
    )
    lines = re.split("[\\r\\n]+", without_escapes(shown))
    assert {line.strip() for line in lines if "working" in line} == {"working"}
    assert any(line.startswith("sweep") and "2 of 2 jobs  0 s left" in line for line in lines)
    assert any(
        line.startswith("s1 net-net-net-net-net-… ") and "epoch 1/2" in line for line in lines
    )
    assert max(map(len, lines)) <= 80


def test_jobs_that_train_come_before_jobs_that_attack_the_same_net():
    lines = [[f"seed={seed}", f"attack={name}"] for seed in range(4) for name in ("fgsm", "pgd")]
    turns = in_turns([Errand(line, "None") for line in lines], 2)
    assert [index for index, _ in turns] == [0, 2, 1, 3, 4, 6, 5, 7]
    assert [job.overrides for index, job in turns] == [lines[index] for index, _ in turns]


@pytest.mark.parametrize(
    ("launch", "name", "keys"),
    [
        (launchers.ray, "ray", {"address": None, "cpus": 1, "gpus": 0, "attempts": 1}),
        (launchers.submitit, "submitit", {"cluster": "local", "folder": "x", "parameters": {}}),
    ],
)
def test_an_engine_that_is_not_installed_is_named(monkeypatch, launch, name, keys):
    monkeypatch.setitem(sys.modules, name, None)
    message = rf"hydra/launcher={name} needs the package {name}, .* pip install 'brnn\[{name}\]'"
    with pytest.raises(ConfigError, match=message):
        launch([], **keys)


@pytest.mark.parametrize("attempts", [0, "many"])
def test_an_invalid_number_of_attempts_is_refused(attempts):
    message = rf"hydra.launcher.attempts must be .* from 1, got {attempts}"
    with pytest.raises(ConfigError, match=message):
        launchers.warm(1, n_jobs=1, attempts=attempts)


def test_a_killed_process_costs_no_job(folder, begin):
    process = begin("seed=range(2)", "epochs=40", "hydra.launcher.n_jobs=2", "--multirun")
    wait_for_line(process, "epoch 5/")
    children = sweep_runs(folder).children
    running = next(run for run in children if run.info.status == "RUNNING")
    os.kill(owner_pid(running), signal.SIGKILL)
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, out + err
    assert "are repeated, one at a time: attempt 2 of 3" in err
    assert "2 finished" in out
    runs = sweep_runs(folder)
    assert runs.statuses == ["FINISHED"] * 3
    assert runs.epochs == [40, 40]


def test_processes_compute_the_numbers_of_a_single_process(folder, complete):
    net = ["topology.width=256", "batch_size=128", "precision=binarynet", "compiled=true"]
    numbers = {}
    for n_jobs in (1, 2):
        keys = [f"hydra.launcher.n_jobs={n_jobs}", f"tracking.experiment=by{n_jobs}"]
        keys += ["attack=fgsm", "epochs=2", "resume=false", "seed=range(2)", "--multirun"]
        code, out, err = complete(*net, *keys)
        assert code == 0, out + err
        numbers[n_jobs] = {
            (run.info.run_name, key): value
            for run in sweep_runs(folder, f"by{n_jobs}").children
            for key, value in run.data.metrics.items()
            if not key.startswith(("time/", "train/images_per"))
        }
    assert len(numbers[1]) > 2 * 30
    assert numbers[2] == numbers[1]


def test_processes_that_attack_the_same_net_train_it_once(folder, complete):
    attacks = ["attack=noise,fgsm", "attack.images=10", "attack.checks=false", "seed=0,1"]
    code, out, err = complete(*attacks, "epochs=3", "hydra.launcher.n_jobs=4", "--multirun")
    assert code == 0, out + err
    assert "4 finished" in out
    assert out.count("epoch 3/3") == out.count("takes the net that run") == 2
    assert sorted(sweep_runs(folder).epochs) == [3, 3, 3, 3]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_processes_do_not_outlive_their_parent(folder, begin, number):
    process = begin("seed=range(3)", "epochs=100000", "hydra.launcher.n_jobs=2", "--multirun")
    wait_for_line(process, "^s0 .*  epoch 2/", "^s1 .*  epoch 2/")
    owners = [owner_pid(run) for run in sweep_runs(folder).children]
    assert len({process.pid, *owners}) == 3
    if number == signal.SIGINT:  # Ctrl-C reaches the whole group
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    wait_until(lambda: not any(map(is_alive, owners)))
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert "0 finished, 0 failed, 0 skipped, 2 killed" in out
        stopped = "error: stopped; the same command continues after the last finished epoch\n"
        assert err == stopped
        assert [run.info.status for run in sweep_runs(folder).children] == ["KILLED"] * 2


@pytest.mark.parametrize(
    ("seconds", "flag"),
    [(0.3, "-m"), (0.7, "--multirun"), (1.0, "-m"), (2.5, "--multirun"), (4.5, "--multirun")],
)
def test_a_sweep_can_be_stopped_at_any_moment(begin, seconds, flag):
    process = begin("seed=range(3)", "epochs=100000", "hydra.launcher.n_jobs=2", flag)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)
    assert seconds < 0.5 or "Traceback" not in err, err
