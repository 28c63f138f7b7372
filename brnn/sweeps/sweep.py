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
from brnn.sweeps.overrides import FREE, command_line, root
from brnn.terminal import tables
from brnn.tracking.sweep_job import SweepJob

if TYPE_CHECKING:
    from brnn.tracking.run import Run


@contextmanager
def parent_run(
    composed: DictConfig,
    arguments: list[str],
    constant: list[str],
    sweeper: dict[str, Any],
    jobs: int,
) -> Iterator[tuple["Run", SweepJob, list[Row]]]:
    """Keep the run of a sweep open while its jobs run; then print their table and its conclusion.

    Args:
        composed: the configuration of the sweep.
        arguments: its overrides.
        constant: the overrides that are equal in all jobs.
        sweeper: the keys of the sweeper that creates the jobs.
        jobs: how many there are, at most.

    Yields:
        The run, the data that all jobs share, and an empty list: rows for jobs that return nothing.

    Raises:
        TrackingError: the same sweep is running already.
        SweepError: some jobs failed.
    """
    from brnn.tracking import tag_names
    from brnn.tracking.earlier import check_ended, latest_run
    from brnn.tracking.store import open_store

    tracking = OmegaConf.to_container(composed.tracking, resolve=True)
    options = expand_home({"tracking": tracking, "checkpoints": composed.checkpoints})
    store = open_store(**options["tracking"])
    fingerprint = identify(arguments, sweeper)
    spool = Path(options["checkpoints"]) / f"{fingerprint}.jsonl"
    latest = latest_run(store, fingerprint, spool)
    earlier = latest if composed.resume else None
    if earlier and composed.resume != "force":
        check_ended(earlier, "sweep")
    began, launch = time.time(), uuid.uuid4().hex
    name = " ".join(sorted(arguments, key=lambda argument: argument in constant)) or "sweep"
    tags = {"sweep": name, tag_names.FINGERPRINT: fingerprint, tag_names.LAUNCH: launch}
    tags[tag_names.JOBS] = str(jobs)
    of_hydra = [o for o in composed.hydra.overrides.hydra if not o.startswith("hydra.mode=")]
    command = command_line(composed.hydra, [*arguments, *of_hydra, "--multirun"])
    tags |= {tag_names.SOURCE: command, tag_names.SOURCE_TYPE: "JOB"}
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
        conclude(store, run, command)
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
