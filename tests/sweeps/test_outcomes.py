"""The table of the jobs of a sweep: what varies, and which robust accuracy is doubted."""

import socket
import time

from support.stores import open_in
from support.sweeps import begin_sweep, log_run, log_sweep

from brnn.sweeps.outcomes import collect
from brnn.terminal import tables
from brnn.tracking import tag_names
from brnn.tracking.sweep_job import SweepJob


def test_constant_columns_are_left_out_and_doubted_numbers_are_marked(tmp_path, capsys):
    jobs = [
        (
            {"estimator": "ste", "seed": seed, "objective": '["test/loss", "test/accuracy"]'},
            {"test/loss": 1.0 + seed, "test/accuracy": 0.9, "trust/robust_accuracy": 0.1 + seed}
            | {"attack/robust_accuracy": 0.3 + seed, "size/bits_per_weight": 1.0},
            {"trusted": "yes" if seed else "attack too weak: …"},
        )
        for seed in range(2)
    ]
    parent = log_sweep(tmp_path, "seed=0,1", jobs)
    rows = collect(open_in(tmp_path), SweepJob(parent, ""), began=0.0, lost=[])
    metrics = [key for key in rows[0] if "/" in key]
    assert metrics == ["test/loss", "trust/robust_accuracy", "attack/robust_accuracy"]
    tables.sweep_table(rows)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["1.0000", "0.1000", "?0.3000"] in [line[-4:-1] for line in lines]
    assert ["2.0000", "1.1000", "1.3000"] in [line[-4:-1] for line in lines]
    assert ["?", "not", "trusted"] in lines


def test_a_job_that_was_run_anew_has_one_row(tmp_path):
    store = open_in(tmp_path)
    parent = begin_sweep(store, "seed=0,1")
    for number, launch in ((0, "old"), (1, "old"), (0, "new")):  # job 0 by another code
        tags = {tag_names.PARENT: parent, tag_names.JOB: number, tag_names.LAUNCH: launch}
        last = log_run(store, {"seed": number}, {"test/accuracy": 0.5}, tags)
    rows = collect(store, SweepJob(parent, "new"), began=time.time() + 60, lost=[])
    assert [(row["name"], row["status"]) for row in rows] == [("0", "skipped"), ("1", "skipped")]
    assert rows[0]["run"] == last


def test_a_job_whose_process_has_ended_is_killed(tmp_path):
    store = open_in(tmp_path)
    parent = begin_sweep(store, "seed=0,1")
    ended = {tag_names.PARENT: parent, tag_names.OWNER: f"{socket.gethostname()}:1:never"}
    run_id = log_run(store, {"seed": 0}, {}, ended, status="RUNNING")
    (row,) = collect(store, SweepJob(parent, ""), began=0.0, lost=[])
    assert (row["run"], row["status"]) == (run_id, "killed")
    assert store.client.get_run(run_id).info.status == "KILLED"
