"""Sweeps: the jobs of one command are children of one parent run, and none stops the others."""

import json
import os
import time
from collections.abc import Callable
from contextlib import contextmanager

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from brnn import config, terminal

PLAN = "BRNN_SWEEP"  # environment variable that tells jobs, in other processes too, of their sweep
TRACEBACK = "BRNN_TRACEBACK"  # environment variable that asks for the traceback of an error
SHOWN = ("test/accuracy", "sparsity/all", "attack/robust_accuracy", "attack/success_rate", "time/seconds")
TOLD = ("seed", "experiment", "tracking", *config.MODULES)  # keys that the name of a run tells, or need not


class SweepError(RuntimeError):
    """Some jobs of a sweep failed."""


@contextmanager
def parent(composed, arguments: list[str], constant: list[str]):
    """A parent run for the jobs that run inside; in the end it prints their table, and raises if any failed.

    `arguments` are the overrides of the sweep, `constant` those that are the same in all jobs.
    """
    from brnn import tracking

    store = tracking.open_store(**OmegaConf.to_container(composed.tracking, resolve=True))
    with store.run(" ".join(arguments) or "sweep", {"sweep": " ".join(arguments)}, None) as run:
        os.environ[PLAN] = json.dumps({"parent": run.id, "constant": constant})
        try:
            yield
        finally:
            del os.environ[PLAN]
            jobs = [_row(child) for child in store.children(run.id)]
            terminal.sweep_table(jobs)
        failed = [job["name"] for job in jobs if job["status"] == "failed"]
        if failed:
            raise SweepError(f"{len(failed)} of {len(jobs)} jobs failed: {', '.join(failed)}")


def job(options: dict, run: Callable) -> float:
    """Runs one job of a sweep; its error is said and recorded, and its objective then is not a number.

    `run(options, parent, suffix)` gets the parent run, and what the job's name has to tell beyond the groups.
    """
    began, plan, overrides = time.time(), json.loads(os.environ[PLAN]), list(HydraConfig.get().overrides.task)
    own = [override for override in overrides if override not in plan["constant"]]
    suffix = "".join(f" {override}" for override in own if not _is_told(override))
    try:
        return run(options, plan["parent"], suffix)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        terminal.error(f"{' '.join(own)}: {error}")
        _record(options, plan["parent"], " ".join(own), error, began)
        return float("nan")


def _is_told(override):
    key = override.partition("=")[0]
    return key.partition("@")[2] in TOLD or key in TOLD or key.startswith("tracking.")


def _record(options, parent, name, error, began):
    """Leaves a failed run also of a job that failed before its run began."""
    from brnn import tracking

    store = tracking.open_store(**options["tracking"])
    if not any(child.info.start_time >= began * 1000 for child in store.children(parent)):
        run = tracking.Run(store, store.start(name, {"error": f"{type(error).__name__}: {error}"}, parent))
        run.end("FAILED")


def _row(child):
    """A finished or failed job, for the table."""
    values = child.data.metrics
    status = "finished" if child.info.status == "FINISHED" else "failed"
    shown = {name: values[name] for name in SHOWN if name in values}
    return {"name": child.info.run_name, "status": status, "error": child.data.tags.get("error")} | shown
