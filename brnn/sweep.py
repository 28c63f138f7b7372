"""Sweeps: the jobs of one command are children of one parent run, and none stops the others."""

import os
import time
from collections.abc import Callable
from contextlib import contextmanager

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from brnn import terminal

PARENT = "BRNN_PARENT_RUN"  # reaches the jobs in other processes
SHOWN = ("test/accuracy", "sparsity/all", "attack/robust_accuracy", "attack/success_rate", "time/seconds")
STATUS = {"FINISHED": "finished"}


class SweepError(RuntimeError):
    """Some jobs of a sweep failed."""


@contextmanager
def parent(composed):
    """A parent run for the jobs that run inside; at the end it prints their table, and raises if any failed."""
    from brnn import tracking

    keys = OmegaConf.to_container(composed.tracking, resolve=True)
    name = " ".join(
        [*composed.hydra.overrides.task, *(f"{k}={v}" for k, v in (composed.hydra.sweeper.params or {}).items())]
    )
    store = tracking.open_store(**keys)
    with store.run(name or "sweep", {"sweep": name}, None) as run:
        os.environ[PARENT] = run.id
        try:
            yield
        finally:
            del os.environ[PARENT]
            jobs = [_row(child) for child in store.children(run.id)]
            terminal.sweep_table(jobs)
        failed = [job["name"] for job in jobs if job["status"] == "failed"]
        if failed:
            raise SweepError(f"{len(failed)} of {len(jobs)} jobs failed: {', '.join(failed)}")


def job(options: dict, run: Callable) -> float:
    """Runs one job of a sweep; its error is said and recorded, and its objective then is not a number."""
    began = time.time()
    parent = os.environ[PARENT]
    terminal.heading(f"job {HydraConfig.get().job.num}: {' '.join(HydraConfig.get().overrides.task)}")
    try:
        return run(options, parent)
    except Exception as error:
        if os.environ.get("BRNN_TRACEBACK"):
            raise
        terminal.error(str(error))
        _record(options, parent, error, began)
        return float("nan")


def _record(options, parent, error, began):
    """Leaves a failed run also of a job whose run had not begun."""
    from brnn import tracking

    store = tracking.open_store(**options["tracking"])
    if not any(child.info.start_time >= began * 1000 for child in store.children(parent)):
        name = " ".join(HydraConfig.get().overrides.task)
        run = tracking.Run(store, store.start(name, {"error": f"{type(error).__name__}: {error}"}, parent))
        run.end("FAILED")


def _row(child):
    values = child.data.metrics
    shown = {name: values[name] for name in SHOWN if name in values}
    status = STATUS.get(child.info.status, "failed")
    return {"name": child.info.run_name, "status": status, "error": child.data.tags.get("error")} | shown
