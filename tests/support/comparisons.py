"""Runs as a comparison reads them, without a store."""

import json
from itertools import count

from brnn.compare.comparison import compare
from brnn.compare.selection import SelectedRun, Selection
from brnn.tracking.tag_names import RECORD

_NUMBERS = count()
DEFAULTS = {
    "over": "seed", "metrics": None, "epoch": "last", "sort": None, "baseline": None,
    "test": "t", "interval": "t",
}  # fmt: skip


def run(estimator, seed, accuracy=None, /, status="finished", tags=(), params=(), **metrics):
    """Return a run; later calls return newer runs."""
    number = next(_NUMBERS)
    options = {"precision": "binarynet", "estimator": estimator, "seed": str(seed), **dict(params)}
    values = {} if accuracy is None else {"test/accuracy": accuracy}
    values |= metrics
    return SelectedRun(
        f"run{number}", f"{estimator}-s{seed}", status, number, options, values, dict(tags),
        f"http://127.0.0.1:5000/#/experiments/1/runs/run{number}",
        lambda key: {1: 0.1, 2: values[key]} if key in values else {},
    )  # fmt: skip


def lost(name, *overrides):
    """Return a run that failed before its parameters were logged."""
    tags = {"error": "no"} | ({RECORD: json.dumps(overrides)} if overrides else {})
    return SelectedRun(f"run{next(_NUMBERS)}", name, "failed", 0, {}, {}, tags)


def compared(runs, command="estimator=a,b seed=range(9)", **keys):
    """Return the comparison of runs of one sweep."""
    return compare(Selection(runs, {"sweep0": command}), **DEFAULTS | keys)
