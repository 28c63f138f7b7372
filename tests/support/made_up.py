"""Made-up data and configurations, good and bad, with the classes that good labels state."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brnn.config import groups

SHAPES = ((5,), (4, 4), (4, 4, 3), (2, 3, 3, 3))
CHOICES = {
    "precision": ("binarynet", "full", "ternary", "binaryconnect", "low_rank", "exponential"),
    "estimator": ("ste", "chernoff", "swish_sign"),
    "topology": ("simple", "simple", "mlp", "gru"),
    "attack": ("none", "none", "fgsm", "pgd", "deepfool", "square", "noise"),
    "training": ("standard", "standard", "adversarial"),
    "loss": ("cross_entropy", "squared_hinge"),
    "initializer": ("he_normal", "binary_choice", "pseudo_hadamard"),
    "optimizer": ("adam", "sgd"),
    "schedule": ("constant", "cosine"),
    "keep": ("last", "best"),
}
SMALL = {  # so that a case takes little time
    "topology": {"width": 6, "first_width": 6, "depth": 1},
    "attack": {"images": 5, "iterations": 2, "queries": 10, "checks": False},
    "training": {"iterations": 2},
}
JUNK = (None, True, -1, 0, 0.5, 3, 2**40, "", "x", [], ["x"], {"a": 1}, float("nan"))
OWN = (
    "checkpoints",
    "tracking",
    "plugins",
    "compiled",
    "distribution",
    "figures",
)  # keys that stay as set


@dataclass(frozen=True)
class MadeUp:
    """The arrays of an .npz file, the class of each test row (None if bad), and a description."""

    arrays: dict[str, np.ndarray]
    tested: np.ndarray | None
    what: str


def overrides(rng: np.random.Generator) -> list[str]:
    """Return words of a command line: some options of a few groups."""
    chosen = {key: str(rng.choice(names)) for key, names in CHOICES.items() if rng.random() < 0.4}
    return [f"{key}={name}" for key, name in chosen.items()]


def data(rng: np.random.Generator) -> MadeUp:
    """Return a data set of 12 to 60 rows; about a third of them have a fault."""
    n, classes = int(rng.integers(12, 60)), int(rng.integers(2, 5))
    truth = rng.permutation(np.arange(n) % classes)
    if rng.random() < 0.2:
        truth = np.sort(truth)
    shape = SHAPES[rng.integers(len(SHAPES))]
    pixels = rng.random((n, *shape)) / 2 + truth.reshape(-1, *[1] * len(shape)) / 8
    x, x_form = _pick(rng, _inputs(rng, pixels))
    (y, truth), y_form = _pick(rng, _labels(rng, truth, classes))
    good, end = not (x_form + y_form).count("bad"), n - round(0.25 * n)
    arrays = {"x": x, "y": y}
    if rng.random() < 0.3 and len(y) == n:
        arrays = {"x_train": x[:end], "y_train": y[:end], "x_test": x[end:], "y_test": y[end:]}
    what = f"x: {x_form} {x.shape}, y: {y_form} {y.shape}"
    return MadeUp(arrays, truth[end:] if good else None, what)


def options(rng: np.random.Generator, base: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a small configuration on an .npz file; one in eight has a value drawn from `JUNK`."""
    result = copy.deepcopy(base)
    for section, keys in SMALL.items():
        result[section] |= {key: v for key, v in keys.items() if key in result[section]}
    validation = float(rng.choice([0.0, 0.2, 0.3]))
    result["dataset"] |= {"path": str(path), "validation": validation, "test": 0.25}
    result |= {"batch_size": int(rng.choice([1, 4, 7, 7, 64])), "seed": int(rng.integers(3))}
    if rng.random() < 1 / 8:
        sections = [result, *(result[group] for group in CHOICES if group in groups.GROUPS)]
        section = sections[rng.integers(len(sections))]
        key = str(rng.choice(sorted(section.keys() - {*OWN})))
        section[key] = JUNK[rng.integers(len(JUNK))]
    return result


def _pick(rng: np.random.Generator, forms: dict[str, Any]) -> tuple[Any, str]:
    """Return one of several forms and its name, a bad one in one of six draws."""
    bad = rng.random() < 1 / 6
    names = [name for name in forms if name.startswith("bad") == bad]
    name = str(rng.choice(names))
    return forms[name], name


def _inputs(rng: np.random.Generator, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return pixels in [0, 1] in every form that inputs may have, and in others."""
    hole = x.copy()
    hole.reshape(-1)[rng.integers(x.size)] = np.nan
    return {
        "bytes": (255 * x).astype(np.uint8),
        "bytes to 16": (16 * x).astype(np.uint8),
        "float32": x.astype(np.float32),
        "float64": x,
        "float16": x.astype(np.float16),
        "bad: 0 and 1 as bytes": (x > 0.5).astype(np.uint8),
        "bad: beyond 1": x + 1,
        "bad: negative": x - 0.5,
        "bad: integers": (255 * x).astype(np.int64),
        "bad: NaN": hole,
        "bad: one axis": x.reshape(len(x), -1)[:, 0],
        "bad: texts": x.astype("<U8"),
    }


def _labels(rng: np.random.Generator, y: np.ndarray, classes: int) -> dict[str, Any]:
    """Return classes in every form that labels may have, and in others, each with its classes."""
    return {
        "plain": (y, y),
        "bytes": (y.astype(np.uint8), y),
        "column": (y[:, None], y),
        "floats": (y.astype(float), y),
        "one-hot": (np.eye(classes, dtype=np.int8)[y], y),
        "from 1": (y + 1, y + 1),
        "with gaps": (3 * y, 3 * y),
        "bad: negative": (y - 1, y),
        "bad: half": (y + 0.5, y),
        "bad: NaN": (np.where(y == 1, np.nan, y), y),
        "bad: too few": (y[:-2], y),
        "bad: texts": (y.astype("<U2"), y),
        "bad: a matrix": (np.ones((len(y), 3), int), y),
        "bad: one class": (0 * y, y),
    }
