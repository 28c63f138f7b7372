"""The arrays of a data set."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Data:
    """Arrays in memory: (x, y) of each split, with rows along the first axis."""

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]  # of length 0 if its share is 0
    test: tuple[np.ndarray, np.ndarray]
    classes: int  # width of the net's output
    source: str  # "idx", "keras", "embedded", "npz", "text", "generated" or "wav"
    sequential: bool = (
        False  # rows are consecutive pieces of one stream, along which a state is carried
    )
    tokens: str | None = None  # of a text, its alphabet: index -> character


# What a data set may declare that it returns, by which the rest of a configuration is checked; plain `Data` have values
# as inputs, and one class for each.
Tokens = Data  # whole numbers, with a class for each step
Values = Data  # sequences, with one value for each to predict
Signal = Data  # sequences, with a value for each step to predict


def rows(n, share, key) -> int:
    """round(share n), the rows to cut from n as the split `key`; only a share of validation may be none."""
    rows = round(share * n)
    if rows >= n or (rows == 0 and (share > 0 or key == "test")):
        raise ValueError(
            f"dataset.{key} must leave rows in both parts, got {share} of {n}: a cut of {rows}"
        )
    return rows
