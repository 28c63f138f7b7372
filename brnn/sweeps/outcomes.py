"""The outcomes of a sweep's jobs, as rows of its table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from brnn.compare import metrics as measures
from brnn.tracking.sweep_job import SweepJob

if TYPE_CHECKING:
    from mlflow.entities import Run

    from brnn.tracking.store import Store

Row = dict[str, Any]
"""`name`, `status`, `error`, `run`, `doubted` (metrics not to be believed), metrics by name."""

ALSO_SHOWN = ("attack/success_rate", "time/seconds")  # besides those that groups are compared by


def collect(store: "Store", sweep: SweepJob, began: float, lost: list[Row]) -> list[Row]:
    """Mark the runs whose processes have ended as killed, and return the outcome of each job.

    Of a job that an earlier launch ran with another version of the code, only the new run counts.

    Args:
        store: the store of the sweep.
        sweep: the data that all jobs share.
        began: the time at which this launch of the sweep began, in seconds since the epoch.
        lost: jobs that returned nothing; the runs that they left as killed are omitted.
    """
    from brnn.tracking.status import status_of

    runs = _without_replaced(store.children(sweep.parent), sweep)
    statuses = [status_of(run, sweep.launch) for run in runs]  # once, since processes may end now
    for run, status in zip(runs, statuses, strict=True):
        if status == "interrupted":
            store.mark_killed(run.info.run_id)
    shown = [*measures.usual(run.data for run in runs), *ALSO_SHOWN]
    complete = [run for run in runs if run.info.status == "FINISHED"] or runs
    values = {key: {run.data.metrics.get(key) for run in complete} for key in shown}
    varied = measures.beside({key for key in shown if len(complete) == 1 or len(values[key]) > 1})
    columns = [key for key in shown if key in varied]
    rows = [
        _row(run, "killed" if status == "interrupted" else status, began, columns)
        for run, status in zip(runs, statuses, strict=True)
    ]
    return [row for row in rows if not (lost and row["status"] == "killed")] + lost


def _without_replaced(runs: Sequence["Run"], sweep: SweepJob) -> list["Run"]:
    """Return the runs of a sweep without those whose job this launch has run anew."""
    from brnn.tracking.status import is_of_launch, job_number

    new = {job_number(run, sweep.parent) for run in runs if is_of_launch(run, sweep.launch)}
    return [
        run
        for run in runs
        if is_of_launch(run, sweep.launch) or job_number(run, sweep.parent) not in new
    ]


def delete_failure_records(store: "Store", sweep: SweepJob) -> None:
    """Delete the records of jobs that failed in an earlier launch before their runs existed."""
    from brnn.tracking import tag_names
    from brnn.tracking.status import is_of_launch

    for run in store.children(sweep.parent):
        if tag_names.RECORD in run.data.tags and not is_of_launch(run, sweep.launch):
            store.delete(run.info.run_id)


def _row(run: "Run", status: str, began: float, shown: list[str]) -> Row:
    from brnn.tracking import tag_names

    metrics = run.data.metrics
    if status == "finished" and run.info.end_time < int(began * 1000):
        status = "skipped"
    if status == "killed" and tag_names.PRUNED in run.data.tags:
        status = "pruned"
    row = {"name": run.info.run_name, "status": status, "run": run.info.run_id}
    row["error"] = run.data.tags.get("error")
    if run.data.tags.get(measures.TRUSTED, "yes") != "yes":
        row["doubted"] = [measures.CLAIMED]
    return row | {name: metrics[name] for name in shown if name in metrics}
