"""Verdicts of images in a file, which a process that was killed leaves to the next one."""

import base64
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from brnn.proof.decide import Verdict


def read(path: Path | None, shape: tuple[int, ...]) -> list[Verdict]:
    """Return the verdicts of the first images.

    Args:
        path: the file; it may be missing, and its last line incomplete.
        shape: of an image.
    """
    if path is None or not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]  # the last one has no end of line, or is empty
    return [_verdict(json.loads(line), shape) for line in lines]


def append(path: Path | None, verdict: Verdict) -> None:
    """Append the verdict of the next image; with no path nothing is kept."""
    if path is None:
        return
    values = asdict(verdict)
    if verdict.witness is not None:
        values["witness"] = base64.b64encode(verdict.witness.astype("float32").tobytes()).decode()
    path.parent.mkdir(parents=True, exist_ok=True)
    content = path.read_bytes() if path.exists() else b""
    complete = content[: content.rfind(b"\n") + 1]
    with path.open("r+b" if content else "wb") as file:
        file.truncate(len(complete))
        file.seek(len(complete))
        file.write(json.dumps(values).encode() + b"\n")


def _verdict(values: dict, shape: tuple[int, ...]) -> Verdict:
    if values["witness"] is not None:
        witness = np.frombuffer(base64.b64decode(values["witness"]), "float32")
        values["witness"] = witness.reshape(shape)
    return Verdict(**values)
