"""A dry run: the plan of a run, or of the jobs of a sweep."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from brnn.config.check import check
from brnn.data.load import load_checked
from brnn.errors import BrnnError, SweepError
from brnn.sweeps.overrides import FREE, root
from brnn.terminal import stderr, tables

if TYPE_CHECKING:
    from brnn.tracking.store import Store


def dry_run(overrides: list[list[str]], jobs: list[dict[str, Any]]) -> None:
    """Print whether each job would run, continue from a checkpoint, or be skipped.

    Nothing is written, neither a store nor an experiment.

    Args:
        overrides: of each job, those that distinguish it.
        jobs: the configuration of each job.

    Raises:
        SweepError: some jobs cannot run.
    """
    with stderr.quiet():
        from brnn.runs import plan  # noqa: F401  TensorFlow prints as it is imported
        from brnn.tracking.reading import find_store

    store = find_store(**jobs[0]["tracking"])
    names = job_names(overrides, jobs)
    rows = [{"name": name, **_prospect(job, store)} for name, job in zip(names, jobs, strict=True)]
    tables.sweep_table(rows)
    if failed := [row["name"] for row in rows if row["status"] == "failed"]:
        raise SweepError(f"{len(failed)} of {len(rows)} jobs cannot run: {', '.join(failed)}")


def job_names(overrides: list[list[str]], jobs: list[dict[str, Any]]) -> list[str]:
    """Return the overrides of each job as its name; with its recipe, if a topology chooses it."""
    names = [[o for o in job if root(o) not in FREE] for job in overrides]
    if len({job["recipe"]["name"] for job in jobs}) > 1:
        for name, job in zip(names, jobs, strict=True):
            if "recipe" not in map(root, name):
                name.append(f"recipe={job['recipe']['name']}")
    return [" ".join(name) or "this" for name in names]


def _prospect(options: dict[str, Any], store: "Store | None") -> dict[str, Any]:
    """Return the status and the number of epochs of a job for the table."""
    from brnn.runs.plan import fingerprints
    from brnn.tracking.status import status_of
    from brnn.training import checkpoint

    try:
        check(options)
        _, digest = load_checked(options)
    except (BrnnError, ValueError, OSError) as error:
        return {"status": "failed", "error": str(error)}
    new = {"status": "run", "epochs": options["epochs"]}
    if not options["resume"]:
        return new
    fingerprint, training = fingerprints(options, digest)
    earlier = store.latest(fingerprint) if store else None
    status = status_of(earlier) if earlier else None
    if status in ("finished", "running"):
        return {"status": "skip" if status == "finished" else "running"}
    if checkpoint.trained_path(options["checkpoints"], training).exists():
        return {"status": "attack", "epochs": 0}
    path = Path(options["checkpoints"]) / f"{fingerprint}.npz"
    if not path.exists():
        return new
    epochs = options["epochs"] - len(checkpoint.load(path)[1]["history"])
    return {"status": "resume", "epochs": epochs}
