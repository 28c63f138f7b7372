"""What the jobs of a sweep would do."""

import json
from pathlib import Path

from brnn.config.check import check
from brnn.config.fingerprint import run_fingerprint, training_fingerprint
from brnn.data.load import load
from brnn.errors import SweepError
from brnn.sweeps.overrides import FREE, root
from brnn.terminal import tables


def plan(overrides: list[list[str]], jobs: list[dict]) -> None:
    """Prints what each job, a configuration, would do: run, resume from a checkpoint, or be skipped."""
    from brnn.tracking import sqlite
    from brnn.tracking.store import open_store

    keys = jobs[0]["tracking"]
    store = None if sqlite.is_absent(keys["uri"]) else open_store(**keys)
    names = [" ".join(one for one in job if root(one) not in FREE) or "this" for job in overrides]
    rows = [{"name": name, **_prospect(one, store)} for name, one in zip(names, jobs, strict=True)]
    tables.sweep_table(rows)
    if bad := [row["name"] for row in rows if row["status"] == "failed"]:
        raise SweepError(f"{len(bad)} of {len(rows)} jobs cannot run: {', '.join(bad)}")


def _prospect(options, store):
    from brnn.tracking import status
    from brnn.training import checkpoint

    try:
        check(options)
        _, digest = load(json.dumps(options["dataset"]), tuple(options["plugins"]))
    except (ValueError, OSError) as error:
        return {"status": "failed", "error": str(error)}
    fingerprint = run_fingerprint(options, digest)
    earlier = store.earlier(fingerprint) if store and options["resume"] else None
    if earlier and status.status(earlier) in ("finished", "running"):
        return {"status": {"finished": "skip", "running": "running"}[status.status(earlier)]}
    if (
        options["resume"]
        and checkpoint.trained_path(
            options["checkpoints"], training_fingerprint(options, digest)
        ).exists()
    ):
        return {"status": "attack", "epochs": 0}
    path = Path(options["checkpoints"]) / f"{fingerprint}.npz"
    if not (options["resume"] and path.exists()):
        return {"status": "run", "epochs": options["epochs"]}
    return {
        "status": "resume",
        "epochs": options["epochs"] - len(checkpoint.load(path)[1]["history"]),
    }
