"""The features of the processor, on which compiled programs and their speed depend."""

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def features() -> str:
    """Return the features that the system lists, or what it calls the processor."""
    description = CPUINFO.read_text() if CPUINFO.exists() else platform.processor()
    lines = (line for line in description.splitlines() if line.startswith(("flags", "Features")))
    return next(lines, description)
