"""What makes two runs the same, and to which process and sweep a run belongs."""

import hashlib
import importlib.metadata
import json
import os
import socket
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from brnn import config

APART = (
    "tracking",
    "checkpoints",
    "resume",
    "dry_run",
    "objective",
    "trained",
)  # keys on which the numbers of a run do not depend
AFTER = ("attack", "sample")  # keys of what comes after training
PLACES = {"dataset": ("root", "path"), "distribution": ("workers", "index", "timeout")}  # what is there counts alone
LIBRARIES = ("tensorflow", "keras", "numpy")  # on whose versions numbers depend


@dataclass(frozen=True)
class SweepJob:
    """What a job has to know of its sweep.

    `parent` is the run of the sweep, `launch` identifies the command that started the job,
    `constant` are the overrides that all jobs have in common, and `how` are the keys by which the
    sweeper makes the jobs. `number` is the job's own, `trial` that of its trial in a study.
    """

    parent: str
    launch: str
    constant: tuple[str, ...] = ()
    how: dict = field(default_factory=dict)
    number: int = 0
    trial: int | None = None


@lru_cache(maxsize=2)
def data(option: str, plugins: tuple[str, ...]) -> tuple:
    """The data set of an option, given as JSON, and its digest."""
    found = config.function("dataset", json.loads(option), list(plugins))()
    return found, digest(found)


def digest(data) -> str:
    """What identifies the arrays of a data set, and what its labels stand for."""
    total = hashlib.sha256(f"{data.classes} {data.tokens}".encode())
    for array in (*data.train, *data.validation, *data.test):
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return total.hexdigest()


def fingerprint(options: dict, digest: str) -> str:
    """Sixteen letters that are the same for runs of the same numbers: configuration, data, and code that it names."""
    numbers = {key: value for key, value in options.items() if key not in APART}
    for group, places in PLACES.items():
        numbers[group] = {key: value for key, value in options[group].items() if key not in places}
    if "workers" in options["distribution"]:
        addresses, _ = config.workers(options["distribution"]["workers"], options["distribution"]["index"])
        numbers["distribution"]["workers"] = len(addresses)
    versions = [importlib.metadata.version(name) for name in LIBRARIES]
    return hashed([numbers, digest, config.sources(options), versions])


def of_training(options: dict, digest: str) -> str:
    """The fingerprint of the training alone: the same for runs that attack the same net in different ways."""
    return fingerprint({key: value for key, value in options.items() if key not in AFTER}, digest)


def hashed(value) -> str:
    """Sixteen letters that stand for a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def owner() -> str:
    """The present process: its machine, its number, and when it began, since numbers are used again."""
    return f"{socket.gethostname()}:{os.getpid()}:{_start(os.getpid())}"


def alive(process: str) -> bool | None:
    """Whether a process that `owner` named still runs; None where it ran on another machine."""
    host, number, start = process.split(":")
    if host != socket.gethostname():
        return None
    return start != "" and _start(int(number)) == start


def _start(number: int) -> str:
    """When a process of this machine began, or what stands for it where `/proc` does not tell; empty if it is gone."""
    if not Path("/proc/self/stat").exists():
        return "running" if _exists(number) else ""
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]  # dead, but not yet waited for


def _exists(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
