"""A sweep: the run in the tracking store that its jobs are children of."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from brnn.config.fingerprint import hash_json
from brnn.config.locations import expand_home
from brnn.errors import SweepError
from brnn.sweeps.conclusion import conclude
from brnn.sweeps.outcomes import Row, collect, delete_failure_records
from brnn.sweeps.overrides import FREE, root
from brnn.terminal import tables
from brnn.tracking.sweep_job import SweepJob

if TYPE_CHECKING:
    from mlflow.entities import Run as EarlierRun

    from brnn.tracking.run import Run
    from brnn.tracking.store import Store


@contextmanager
def parent_run(
    composed: DictConfig, arguments: list[str], constant: list[str], sweeper: dict[str, Any]
) -> Iterator[tuple["Run", SweepJob, list[Row]]]:
    """Keep the run of a sweep open while its jobs run; at the end, print their table and what
    it says.

    Args:
        composed: the configuration of the sweep.
        arguments: its overrides.
        constant: the overrides that are equal in all jobs.
        sweeper: the keys of the sweeper that creates the jobs.

    Yields:
        The run, the data that all jobs share, and an empty list: rows for jobs that return nothing.

    Raises:
        SweepError: the same sweep is running already, or some jobs failed.
    """
    from brnn.tracking import tag_names
    from brnn.tracking.store import open_store

    tracking = OmegaConf.to_container(composed.tracking, resolve=True)
    options = expand_home({"tracking": tracking, "checkpoints": composed.checkpoints})
    store = open_store(**options["tracking"])
    fingerprint = identify(arguments, sweeper)
    spool = Path(options["checkpoints"]) / f"{fingerprint}.jsonl"
    earlier = _earlier(store, fingerprint, spool, composed.resume)
    began, launch, name = time.time(), uuid.uuid4().hex, " ".join(arguments) or "sweep"
    tags = {"sweep": name, tag_names.FINGERPRINT: fingerprint, tag_names.LAUNCH: launch}
    lost: list[Row] = []
    with store.run(name, tags, None, spool, earlier) as run:
        common = SweepJob(run.id, launch, tuple(constant), sweeper)
        try:
            yield run, common, lost
            delete_failure_records(store, common)
        finally:
            rows = lost  # printed even if the store does not answer
            try:
                rows = collect(store, common, began, lost)
            finally:
                tables.sweep_table(rows)
                failed = {
                    r["name"]: r["error"] for r in rows if r["status"] in ("failed", "killed")
                }
                if failed:
                    run.tag({tag_names.FAILED: failed})
        conclude(store, run, arguments)
        if failed:
            raise SweepError(
                f"{len(failed)} of {len(rows)} jobs failed: {', '.join(failed)};"
                " the same command repeats them"
            )


def identify(arguments: list[str], sweeper: dict[str, Any]) -> str:
    """Return the fingerprint of a sweep; it does not depend on the order of the overrides.

    Args:
        arguments: the overrides of the sweep.
        sweeper: the keys of the sweeper that creates the jobs.
    """
    overrides = sorted(override for override in arguments if root(override) not in FREE)
    return hash_json(["sweep", overrides, sweeper])


def _earlier(
    store: "Store", fingerprint: str, spool: Path, resume: bool | str
) -> "EarlierRun | None":
    """Return the run of the sweep to open again, after its spool is delivered."""
    from brnn.tracking import delivery, tag_names
    from brnn.tracking.status import status_of

    if spool.exists():
        delivery.deliver(spool, store.uri)
    earlier = store.latest(fingerprint) if resume else None
    if earlier and status_of(earlier) == "running" and resume != "force":
        raise SweepError(
            f"this sweep is running already, as process {earlier.data.tags[tag_names.OWNER]};"
            " wait for it, or use resume=force if it is dead"
        )
    return earlier
