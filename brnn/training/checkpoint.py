"""Checkpoints: the whole state of a run in one file.

A crash while one is written leaves the old file or the new one, never a part.
"""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np


def save(path: Path, arrays: dict[str, list[np.ndarray]], values: dict[str, Any]) -> None:
    """Write named lists of arrays and JSON values to an .npz file, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        f"{name}.{i}": array for name, group in arrays.items() for i, array in enumerate(group)
    }
    content = {"json": np.frombuffer(json.dumps(values).encode(), "uint8"), **content}
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            np.savez(file, **content)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, list[np.ndarray]], dict[str, Any]]:
    """Return the arrays and the values that `save` wrote; a pickle is refused.

    Raises:
        ValueError, KeyError, zipfile.BadZipFile: the file is not such a checkpoint.
    """
    with np.load(path, allow_pickle=False) as file:
        values = json.loads(file["json"].tobytes())
        arrays: dict[str, list[np.ndarray]] = {}
        for key in file.files:  # in the order in which they were written
            if key != "json":
                arrays.setdefault(key.rpartition(".")[0], []).append(file[key])
    return arrays, values


def trained_path(folder: str, fingerprint: str) -> Path:
    """Return the path of a trained net's checkpoint.

    Args:
        folder: the key `checkpoints`.
        fingerprint: that of the training alone, `brnn.config.fingerprint.training_fingerprint`.
    """
    return Path(folder) / "trained" / f"{fingerprint}.npz"


def publish(path: Path, target: Path, keep: int) -> None:
    """Copy the checkpoint of a trained net to `target`; keep only the `keep` newest there.

    The run's own checkpoint stays until the run has finished, whatever other runs publish.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.partial")
    try:
        shutil.copyfile(path, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    with suppress(FileNotFoundError):  # another process may remove the same files
        trained = sorted(target.parent.glob("*.npz"), key=lambda file: file.stat().st_mtime)
        for file in trained[:-keep]:
            file.unlink()
