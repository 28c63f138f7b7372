"""CPU seconds of computations on one core."""

import time
from collections.abc import Callable
from statistics import median

ROWS = (1, 128)  # computed at once
LEAST = 0.02  # seconds of a measurement
ROUNDS = 5


def seconds(compute: Callable[[], object]) -> float:
    """Return the CPU seconds of a call: the median of some measurements, after a first call."""
    compute()
    count = 1
    while (used := _used(compute, count)) < LEAST:
        count *= 2
    return median([used, *(_used(compute, count) for _ in range(ROUNDS - 1))]) / count


def _used(compute: Callable[[], object], count: int) -> float:
    began = time.process_time()
    for _ in range(count):
        compute()
    return time.process_time() - began
