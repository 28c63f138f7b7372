"""The processes that share the cores of this machine."""

import os
from pathlib import Path

from brnn.config.processor import core_count
from brnn.errors import ConfigError

DEVICES, GPUS = Path("/dev"), ("nvidia[0-9]*", "kfd", "dxg")


def process_count(n_jobs: int | None) -> int:
    """Return the number of processes of a launch.

    Args:
        n_jobs: the number; -1: one per core; None: one per core, or one if there is a GPU, which
            several processes would have to share.

    Raises:
        ConfigError: `n_jobs` is not valid.
    """
    if n_jobs is not None and (not isinstance(n_jobs, int) or n_jobs < -1 or n_jobs == 0):
        raise ConfigError(
            "hydra.launcher.n_jobs must be a whole number from 1, -1 for one process per core, or"
            f" null for the same, but one process where there is a GPU, got {n_jobs}"
        )
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if n_jobs is None and not hidden and any(list(DEVICES.glob(name)) for name in GPUS):
        return 1
    return core_count() if n_jobs in (None, -1) else n_jobs
