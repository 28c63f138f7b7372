"""Checks of inputs and labels, whoever made them, before a net sees them.

Shapes: inputs x (n, *d); labels are classes (n,) or (n, steps), or values (n, width) or
(n, steps, width), with rows along the first axis.
"""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from brnn.data.dataset import Data, Split
from brnn.errors import DataError, DataWarning

SPLITS = {"train": "training", "validation": "validation", "test": "test"}
CHANCE = 0.01  # that a split lacks a class though the order is random; below it a warning is due
DARK = 32  # largest byte of images that are hardly in 0 to 255


def checked(data: Data) -> Data:
    """Return data with inputs and labels in the types and shapes that `Data` states.

    Raises:
        DataError: an array is no such input or label, or the splits do not fit one another.
    """
    splits = checked_splits(data, data.classes)
    return replace(
        data, train=splits["train"], validation=splits["validation"], test=splits["test"]
    )


def checked_splits(data: Any, outputs: int | None) -> dict[str, Split]:
    """Return the splits `train`, `validation` and `test` of data in the types of `Data`.

    Args:
        data: has these attributes, each a pair (x, y).
        outputs: width of the net's output, where it is known.

    Raises:
        DataError: an array is no input or label, there are no training rows, or the rows of two
            splits have different shapes.
    """
    splits = {}
    for split, name in SPLITS.items():
        x = checked_inputs(getattr(data, split)[0], f"inputs of the {name} split")
        y = checked_labels(getattr(data, split)[1], x, outputs, f"labels of the {name} split")
        splits[split] = (x, y)
    x, y = splits["train"]
    if not len(x):
        raise DataError("the training split must have rows, got none")
    for split, (other, labels) in splits.items():
        if len(other) and (other.shape[1:], labels.dtype) != (x.shape[1:], y.dtype):
            raise DataError(
                f"the rows of the training and the {SPLITS[split]} split must have one shape and"
                f" one type of labels, got {x.shape[1:]}, {y.dtype} and {other.shape[1:]},"
                f" {labels.dtype}"
            )
    return splits


def checked_inputs(x: Any, name: str) -> np.ndarray:
    """Return inputs (n, *d) as uint8 pixels, float32, or int32 tokens.

    Args:
        x: the inputs.
        name: of the array, for messages.

    Raises:
        DataError: the rows are their only axis, or they hold anything but finite numbers.
    """
    x = np.asarray(x)
    if x.ndim < 2 or 0 in x.shape[1:]:
        raise DataError(f"{name} must have shape (n, ...) and values, got shape {x.shape}")
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind == "i" or x.dtype.kind == "u":
        return x.astype(np.int32, copy=False)
    if x.dtype.kind not in "bf":
        raise DataError(
            f"{name} must be uint8 (pixels), float, or another integer type (tokens), got {x.dtype}"
        )
    with np.errstate(over="ignore"):  # becomes infinite, and is refused
        x = x.astype(np.float32, copy=False)
    _check_finite(x, name)
    return x


def checked_labels(y: Any, x: np.ndarray, outputs: int | None, name: str) -> np.ndarray:
    """Return labels as int32 classes, (n,) or (n, steps), or as float32 values.

    One-hot rows and columns (n, 1) of integers become classes (n,); values (n,) become (n, 1).
    Whole floats are classes where the net has several outputs for one label.

    Args:
        y: the labels; integers and booleans are classes, floats are values to predict.
        x: the checked inputs.
        outputs: width of the net's output, where it is known.
        name: of the labels, for messages.

    Raises:
        DataError: they are not one label for each row or step, not finite, or beyond the outputs.
    """
    y = np.asarray(y)
    if y.ndim == 0 or len(y) != len(x):
        raise DataError(
            f"{name} must have one label for each of {len(x)} rows, shape ({len(x)},) or"
            f" ({len(x)}, 1), got {y.shape}"
        )
    if y.dtype.kind not in "biuf":
        raise DataError(f"{name} must be whole numbers (classes) or floats (values), got {y.dtype}")
    if y.dtype.kind == "f":
        _check_finite(y, name)
        if outputs in (None, 1) or y.size != len(x) or (y != np.floor(y)).any():
            return _values(y, outputs, name)
    return _classes(y, x, outputs, name)


def warn_of_unusual(data: Data) -> None:
    """Warn of bytes of a small range, and of classes that a split lacks other than by chance."""
    (x, y), test = data.train, data.test
    if x.dtype == np.uint8 and 0 < (largest := int(x.max())) <= DARK:
        _warn(
            f"the inputs are bytes from {x.min()} to {largest}, which a net sees divided by 255, so"
            f" that an epsilon of {largest / 255:.2g} covers their whole range; for other units"
            " save them as floats in [0, 1]"
        )
    if y.dtype.kind == "f" or y.ndim > 1:
        return
    counts = {
        split: np.bincount(getattr(data, split)[1], minlength=data.classes) for split in SPLITS
    }
    if untrained := np.flatnonzero(counts["train"] == 0).tolist():
        _warn(
            f"the training split has no row of class {_listed(untrained)}, though the net has an"
            f" output for each class from 0 to {data.classes - 1}, which a targeted attack may aim"
            " at; count classes from 0 without gaps"
            + _advice(bool(set(untrained) & set(test[1].tolist())))
        )
    total = np.sum(list(counts.values()), axis=0)
    for split in ("validation", "test"):
        share = counts[split].sum() / total.sum()
        by_chance = (1 - share) ** total
        absent = np.flatnonzero((counts[split] == 0) & (by_chance < CHANCE))
        if len(absent):
            _warn(
                f"the {split} split has no row of class {_listed(absent.tolist())}, as in rows"
                f" sorted by class{_advice(True)}"
            )


def _classes(y: np.ndarray, x: np.ndarray, outputs: int | None, name: str) -> np.ndarray:
    sequences = x.ndim == 3 or (x.ndim == 2 and x.dtype == np.int32)
    if y.ndim == 2 and y.shape[1] > 1 and x.dtype != np.int32 and _is_one_hot(y):
        y = y.argmax(axis=1)
    elif y.shape == (len(x), 1) and x.dtype != np.int32:
        y = y[:, 0]
    if y.ndim > 1 and not (sequences and y.shape == x.shape[:2]):
        raise DataError(
            f"{name} must have one label for each of {len(x)} rows, shape ({len(x)},) or"
            f" ({len(x)}, 1), or one for each step of a sequence, got {y.shape}"
        )
    if outputs == 1:
        raise DataError(
            f"{name} are classes, got {y.dtype}, for a net of one output: give it an output for"
            " each class, or labels that are floats, as values to predict"
        )
    limit = 2**31 if outputs is None else outputs
    if len(y) and not (y.min() >= 0 and y.max() < limit):
        wrong = y[(y < 0) | (y >= limit)][0]
        raise DataError(f"{name} must be classes from 0 to {limit - 1}, got {wrong}")
    return y.astype(np.int32, copy=False)


def _values(y: np.ndarray, outputs: int | None, name: str) -> np.ndarray:
    if y.ndim == 1 or (outputs == 1 and y.shape[-1] != 1):
        y = y[..., None]
    if outputs is not None and y.shape[-1] != outputs:
        raise DataError(
            f"{name} are floats of shape {y.shape}, to be predicted by a net of {outputs} outputs;"
            " the last axis must be that of the outputs, and classes must be whole numbers"
        )
    return y.astype(np.float32, copy=False)


def _is_one_hot(y: np.ndarray) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())


def _check_finite(array: np.ndarray, name: str) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        position = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise DataError(
            f"{name} must be finite, got {array[position]} in row {position[0]}, counted from 0"
        )


def _listed(classes: list[int]) -> str:
    shown = ", ".join(map(str, classes[:5]))
    return shown if len(classes) <= 5 else f"{shown} and {len(classes) - 5} more"


def _advice(is_sorted: bool) -> str:
    return "; if the rows are sorted, dataset.seed=0 shuffles them" if is_sorted else ""


def _warn(text: str) -> None:
    warnings.warn(text, DataWarning, stacklevel=3)
