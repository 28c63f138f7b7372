"""The latest run of a fingerprint, which a command may continue."""

from pathlib import Path

from mlflow.entities import Run

from brnn.errors import TrackingError
from brnn.tracking import delivery
from brnn.tracking.status import status_of
from brnn.tracking.store import Store
from brnn.tracking.tag_names import OWNER


def latest_run(store: Store, fingerprint: str, spool: Path) -> Run | None:
    """Return the latest run of a fingerprint, after the delivery of its spool.

    Args:
        store: the tracking store.
        fingerprint: of the run.
        spool: the file of the records that the server has not accepted.
    """
    if spool.exists():
        delivery.deliver(spool, store.uri)
    return store.latest(fingerprint)


def check_ended(run: Run, kind: str, launch: str = "") -> None:
    """Check that no process works on a run.

    Args:
        run: a run as the store returns it.
        kind: `run` or `sweep`, for the message.
        launch: the current launch of a sweep, if any.

    Raises:
        TrackingError: its process is alive, or is of another machine.
    """
    if status_of(run, launch) == "running":
        raise TrackingError(
            f"this {kind} is running already, as process {run.data.tags.get(OWNER)} in run"
            f" {run.info.run_id}; wait for it, or use resume=force if it is dead"
        )
