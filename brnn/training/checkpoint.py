"""Checkpoints: the whole state of a run in one file, written so that a crash leaves the old one or the new one."""

import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np


def save(path: Path, arrays: dict[str, list[np.ndarray]], values: dict) -> None:
    """Writes lists of arrays and JSON values to `path` (.npz), atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    numbered = {f"{name}.{i}": array for name, one in arrays.items() for i, array in enumerate(one)}
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            np.savez(file, json=np.frombuffer(json.dumps(values).encode(), "uint8"), **numbered)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def trained_path(folder: str, fingerprint: str) -> Path:
    """Where the checkpoint of a trained net lies, by the fingerprint of its training."""
    return Path(folder) / "trained" / f"{fingerprint}.npz"


def publish(path: Path, place: Path, kept: int) -> None:
    """Moves the checkpoint of a net that is trained to its place, among the `kept` newest ones."""
    place.parent.mkdir(parents=True, exist_ok=True)
    path.replace(place)
    with suppress(FileNotFoundError):  # another process may be at the same
        for one in sorted(place.parent.glob("*.npz"), key=lambda one: one.stat().st_mtime)[:-kept]:
            one.unlink()


def load(path: Path) -> tuple[dict[str, list[np.ndarray]], dict]:
    """The arrays and the values that `save` wrote."""
    with np.load(path, allow_pickle=False) as file:
        values = json.loads(file["json"].tobytes())
        arrays = {}
        for key in file.files:  # in the order in which they were written
            if key != "json":
                arrays.setdefault(key.rpartition(".")[0], []).append(file[key])
    return arrays, values
