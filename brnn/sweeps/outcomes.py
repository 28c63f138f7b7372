"""The outcomes of a sweep's jobs, as rows of its table."""

from typing import TYPE_CHECKING, Any

from brnn.tracking.sweep_job import SweepJob

if TYPE_CHECKING:
    from mlflow.entities import Run

    from brnn.tracking.store import Store

Row = dict[str, Any]
"""`name`, `status`, `error`, and metrics by name."""

SHOWN = (
    "test/accuracy",
    "sparsity/all",
    "attack/robust_accuracy",
    "attack/success_rate",
    "time/seconds",
)  # metrics in the table


def collect(store: "Store", sweep: SweepJob, began: float, lost: list[Row]) -> list[Row]:
    """Mark the runs whose processes have ended as killed, and return the outcome of each job.

    Args:
        store: the store of the sweep.
        sweep: the data that all jobs share.
        began: the time at which this launch of the sweep began, in seconds since the epoch.
        lost: jobs that returned nothing; the runs that they left as killed are omitted.
    """
    from brnn.tracking.status import status_of

    for run in store.children(sweep.parent):
        if status_of(run, sweep.launch) == "interrupted":
            store.mark_killed(run.info.run_id)
    rows = [_row(run, sweep.launch, began) for run in store.children(sweep.parent)]
    return [row for row in rows if not (lost and row["status"] == "killed")] + lost


def delete_failure_records(store: "Store", sweep: SweepJob) -> None:
    """Delete the records of jobs that failed in an earlier launch before their runs existed."""
    from brnn.tracking import tag_names
    from brnn.tracking.status import is_of_launch

    for run in store.children(sweep.parent):
        if tag_names.RECORD in run.data.tags and not is_of_launch(run, sweep.launch):
            store.delete(run.info.run_id)


def _row(run: "Run", launch: str, began: float) -> Row:
    from brnn.tracking import tag_names
    from brnn.tracking.status import status_of

    status, metrics = status_of(run, launch), run.data.metrics
    if status == "finished" and run.info.end_time < int(began * 1000):
        status = "skipped"
    if status == "killed" and tag_names.PRUNED in run.data.tags:
        status = "pruned"
    row = {"name": run.info.run_name, "status": status, "run": run.info.run_id}
    row["error"] = run.data.tags.get("error")
    return row | {name: metrics[name] for name in SHOWN if name in metrics}
