"""Checkpoints: the whole state of a run in one file.

A crash while one is written leaves the old file or the new one, never a part.
"""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from brnn import writing


def save(path: Path, arrays: dict[str, list[np.ndarray]], values: dict[str, Any]) -> None:
    """Write named lists of arrays and JSON values to an .npz file, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        f"{name}.{i}": array for name, group in arrays.items() for i, array in enumerate(group)
    }
    content = {"json": np.frombuffer(json.dumps(values).encode(), "uint8"), **content}
    with writing.whole(path, "run") as file:
        np.savez(file, **content)  # type: ignore[arg-type]


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
    with path.open("rb") as trained_net, writing.whole(target) as published:
        shutil.copyfileobj(trained_net, published)
    with suppress(FileNotFoundError):  # another process may remove the same files
        trained = sorted(target.parent.glob("*.npz"), key=lambda file: file.stat().st_mtime)
        for file in trained[:-keep]:
            file.unlink()
