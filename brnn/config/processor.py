"""The features of the processor, on which compiled programs and their speed depend; its cores."""

import os
import platform
from contextlib import suppress
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
CGROUP = Path("/sys/fs/cgroup")
QUOTAS = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))  # of cgroups 2 and 1


def features() -> str:
    """Return the features that the system lists, or what it calls the processor."""
    description = CPUINFO.read_text() if CPUINFO.exists() else platform.processor()
    lines = (line for line in description.splitlines() if line.startswith(("flags", "Features")))
    return next(lines, description)


def core_count() -> int:
    """Return the number of cores that the affinity and the container's quota permit."""
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    for files in QUOTAS:
        with suppress(OSError):
            quota, period = " ".join((CGROUP / file).read_text() for file in files).split()
            if quota not in ("max", "-1"):
                cores = min(cores, max(1, int(quota) // int(period)))
    return cores
