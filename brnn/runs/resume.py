"""Runs that finished or stopped before."""

from brnn.errors import TrackingError
from brnn.runs.choice import as_list, objective_of
from brnn.runs.report import show_results, show_verdict
from brnn.terminal import lines
from brnn.tracking import records, status, tag_names

SPOOL = ".jsonl"  # beside a checkpoint: what the tracking server has not taken yet


def earlier_run(store, fingerprint, path, resume, launch):
    """The run to go on with, if any; without `resume` only one that this very `launch` has lost.

    What another would go on from is removed.
    """
    spool = path.with_suffix(SPOOL)
    if spool.exists():
        records.deliver(spool)
    earlier = store.earlier(fingerprint)
    standing = status.status(earlier, launch) if earlier else None
    if not resume and not (standing == "interrupted" and status.is_of_launch(earlier, launch)):
        path.unlink(missing_ok=True)
        return None
    if standing == "running" and resume != "force":
        raise TrackingError(
            f"this run goes on already, as process {earlier.data.tags.get(tag_names.OWNER)} in run"
            f" {earlier.info.run_id}; wait for it, or use resume=force if it is dead"
        )
    return earlier


def skip(name, store, earlier, job, settings):
    """The objective of a run that finished before."""
    lines.note(
        f"{name} is skipped: it finished as run {earlier.info.run_id} (resume=false repeats it)"
    )
    metrics = _kept(store, earlier, settings.keep, settings.objective)
    if "trusted" in earlier.data.tags:
        show_verdict(earlier.data.tags["trusted"], name if job else "")
    if job:
        store.reuse(earlier.info.run_id, job)
    else:
        show_results(name, metrics, store, earlier.info.run_id)
    return objective_of(metrics, settings.objective)


def _kept(store, earlier, keep, objective):
    """The metrics of a finished run, the objective's as they were for the net that was kept."""
    metrics = dict(earlier.data.metrics)
    for key in as_list(objective):
        if keep == "best" and key in metrics:
            metrics[key] = store.history(earlier.info.run_id, key).get(
                int(metrics["best/epoch"]), metrics[key]
            )
    return metrics
