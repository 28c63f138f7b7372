"""The time of a default run and of a sweep, as processes; a part of `experiments.speed`."""

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import closing
from statistics import median

JOBS = ["seed=range(4)", "optimizer.learning_rate=3e-4,1e-3,3e-3"]
BRNN = [sys.executable, "-m", "brnn"]
PARTS = ("training", "compile", "evaluation", "attack", "artifacts", "tracking")  # a run logs them


def print_run():
    """Print where the time of a default run goes, as a process of its own with a new store."""
    times = defaultdict(list)
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            for names in ("tensorflow", "tensorflow, mlflow, hydra"):
                code = f"import os, {names}; os._exit(0)"
                seconds = _timed([sys.executable, "-c", code], folder)
                times[f"import {names}"].append(seconds)
            began = time.time()
            times["the process"].append(_timed([*BRNN, "estimator=ste"], folder))
            parts = {part: _logged(f"{folder}/mlflow.db", f"time/{part}") for part in PARTS}
        logged_at, _ = parts["training"][0]  # when the first epoch was logged
        first_epoch = sum(parts[part][0][1] for part in ("training", "evaluation"))
        times["until the first step is done"].append(logged_at / 1000 - began - first_epoch)
        for part, values in parts.items():
            times[part].append(sum(value for _, value in values))
    print("\none run of simple, 5 epochs, new store: medians of 5 processes")
    print(f"{'':42}{'seconds':>10}")
    seconds = {name: median(values) for name, values in times.items()}
    whole, others = (
        seconds["the process"],
        seconds["training"] + seconds["import tensorflow, mlflow, hydra"],
    )
    seconds["all but training and the three imports"] = whole - others
    for name, value in seconds.items():
        print(f"{name:42}{value:10.2f}{value / whole:15.3f} of the process")


def _timed(command, folder):
    """Return the seconds that a process takes."""
    environment = os.environ | {"BRNN_DATA": os.path.abspath(os.environ["BRNN_DATA"])}
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def _logged(file, key):
    """Return the (milliseconds, value) of each record of a metric, in the order of steps."""
    with closing(sqlite3.connect(file)) as database:
        return database.execute(
            "select timestamp, value from metrics where key = ? order by step", (key,)
        ).fetchall()


def print_sweep():
    """Print the time of 12 commands of one job each, and of sweeps of 12 jobs.

    The first sweep runs in several processes, the second in one.

    Each has a folder of its own, since a sweep would otherwise take the nets that others trained.
    """
    command, separate = [*BRNN, "estimator=ste"], 0.0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(4):
            for rate in JOBS[1].partition("=")[2].split(","):
                job = [f"seed={seed}", f"optimizer.learning_rate={rate}"]
                separate += _timed([*command, *job], folder)
    print(f"\n12 jobs in 12 processes, one after the other: {separate:.0f} s")
    for n_jobs in ("null", "1"):
        launcher = f"hydra.launcher.n_jobs={n_jobs}"
        with tempfile.TemporaryDirectory() as folder:
            together = _timed([*command, *JOBS, launcher, "--multirun"], folder)
        ratio = together / separate
        print(f"12 jobs in a sweep, {launcher}: {together:.0f} s, ratio {ratio:.2f}")
