"""Runs of the same fingerprint that finished or stopped before."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from brnn.config.objective import Outcome
from brnn.locks import locked
from brnn.runs.choice import objectives_of
from brnn.runs.plan import RunPlan
from brnn.runs.report import show_results, show_verdict
from brnn.terminal import lines
from brnn.tracking.earlier import check_ended, latest_run
from brnn.tracking.status import is_of_launch, status_of
from brnn.tracking.store import Store
from brnn.tracking.sweep_job import SweepJob


def earlier_run(plan: RunPlan, store: Store, job: SweepJob | None) -> Any:
    """Return the run to skip or to continue, or None for a new one.

    Records that the server has not accepted are delivered first. Without `resume` only a run of
    this very launch counts, which was lost, or finished as an equal job; the checkpoint of any
    other is removed.

    Raises:
        TrackingError: the run is still running elsewhere.
    """
    launch, resume = job.launch if job else "", plan.settings.resume
    earlier = latest_run(store, plan.fingerprint, plan.spool)
    status = status_of(earlier, launch) if earlier and is_of_launch(earlier, launch) else ""
    if not resume and status not in ("interrupted", "finished"):
        plan.remove_state()
        return None
    if earlier and resume != "force":
        check_ended(earlier, "run", launch)
    return earlier


@contextmanager
def one_of_equals(plan: RunPlan, job: SweepJob | None) -> Iterator[None]:
    """Wait for another job of a sweep that has the same numbers, and keep others waiting.

    Jobs are equal where they differ in a choice without effect.
    """
    if job is None or not plan.without_effect:
        yield
        return
    waiting = f"{plan.name} waits for a job with the same numbers"
    with locked(plan.checkpoint.with_suffix(".job"), lambda: lines.note(waiting)):
        yield


def skip(plan: RunPlan, store: Store, earlier: Any, job: SweepJob | None) -> Outcome:
    """Print the result of a finished run, count it in the sweep, and return its objectives."""
    run_id = earlier.info.run_id
    lines.note(f"{plan.name} is skipped: it finished as run {run_id} (resume=false repeats it)")
    metrics = dict(earlier.data.metrics)
    if "trusted" in earlier.data.tags:
        show_verdict(earlier.data.tags["trusted"], plan.name if job else "")
    if job:
        store.reuse(run_id, job)
    else:
        show_results(plan.name, metrics, store, run_id)
    return Outcome(objectives_of(metrics, plan.objective), is_skipped=True)
