"""The run of a job that fails before its fingerprint is known, with its error."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from brnn.config.fingerprint import IRRELEVANT_KEYS, hash_json
from brnn.tracking import tag_names
from brnn.tracking.run import Run
from brnn.tracking.store import Store
from brnn.tracking.sweep_job import SweepJob


@contextmanager
def failed_run(
    store: Store,
    options: dict[str, Any],
    name: str,
    job: SweepJob | None,
    varied: Sequence[str],
) -> Iterator[Run]:
    """Yield a run whose block raises the error; a repeated failure opens it again.

    Args:
        store: of the run.
        options: its configuration.
        name: its name.
        job: its position in a sweep, if it is part of one.
        varied: the overrides that distinguish it there.
    """
    identity = {key: value for key, value in options.items() if key not in IRRELEVANT_KEYS}
    fingerprint = hash_json(["failed", identity])
    tags = {tag_names.FINGERPRINT: fingerprint, tag_names.RECORD: list(varied)}
    spool = Path(options["checkpoints"]) / f"{fingerprint}.jsonl"
    with store.run(name, tags, job, spool, store.latest(fingerprint)) as run:
        yield run
