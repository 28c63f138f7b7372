"""The status of a run, with the state of its process taken into account."""

from mlflow.entities import Run

from brnn.tracking.process import alive
from brnn.tracking.tag_names import JOB, LAUNCH, OWNER, REUSED


def status_of(run: Run, launch: str = "") -> str:
    """Return the status of a run.

    Args:
        run: a run as the store returns it.
        launch: the current launch of a sweep, if any.

    Returns:
        `finished`, `failed`, `killed`, `running`, or `interrupted`: the store states that the run
        is running, but its process has ended. The processes of another machine count as running,
        except those of the current launch, which ends after its jobs.
    """
    if run.info.status != "RUNNING":
        return run.info.status.lower()
    running = alive(run.data.tags.get(OWNER, "::"))
    if running is None:
        running = not is_of_launch(run, launch)
    return "running" if running else "interrupted"


def is_of_launch(run: Run, launch: str) -> bool:
    """Return whether a launch of a sweep started a run; false for the empty launch."""
    return run.data.tags.get(LAUNCH, "") == launch != ""


def job_number(run: Run, sweep: str) -> int:
    """Return the number of a run's job in a sweep, by the id of the sweep's run."""
    tags = run.data.tags
    return int(tags.get(f"{REUSED}.{sweep}", tags.get(JOB, 0)))
