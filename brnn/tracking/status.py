"""The status of a run."""

from brnn.tracking.process import alive
from brnn.tracking.tag_names import LAUNCH, OWNER


def status(run, launch: str = "") -> str:
    """How a run stands: finished, failed, killed, running, or interrupted where its process is gone.

    A run of another machine is taken to be running, unless `launch`, the present one, started it.
    """
    if run.info.status != "RUNNING":
        return run.info.status.lower()
    runs = alive(run.data.tags.get(OWNER, "::"))
    if runs is None:
        runs = not is_of_launch(run, launch)
    return "running" if runs else "interrupted"


def is_of_launch(run, launch: str) -> bool:
    """Whether a launch of a sweep started a run; an empty `launch` is that of no sweep."""
    return run.data.tags.get(LAUNCH, "") == launch != ""
