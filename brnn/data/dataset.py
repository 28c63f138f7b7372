"""The arrays of a data set."""

from dataclasses import dataclass

import numpy as np

from brnn.errors import DataError

Split = tuple[np.ndarray, np.ndarray]
"""(x, y): inputs and labels, with rows along the first axis."""


@dataclass(frozen=True, eq=False)
class Data:
    """Arrays in memory.

    x is (n, *d): uint8 pixels, which a net sees divided by 255; floats; or int32 tokens. y holds
    int32 classes, (n,) or (n, steps), or float32 values to predict, (n, 1) or (n, steps, 1).
    """

    train: Split
    validation: Split  # no rows where its share is 0
    test: Split
    classes: int  # width of the net's output
    source: str  # "idx", "cifar", "keras", "embedded", "npz", "text", "generated" or "wav"
    sequential: bool = False  # rows continue each other, and so does the net's state
    tokens: str | None = None  # the alphabet of a text: tokens[i] is the character of token i
    names: tuple[str, ...] = ()  # of the classes in words; empty where they are numbers alone
    normalization: tuple[tuple[float, float], ...] = ()  # see `brnn.data.normalizations`


# A data set states one of these as its return type, and the rest of a configuration is checked by
# it before anything is loaded. Plain `Data` have real inputs, and one class for each.
Tokens = Data  # tokens, with a class for each step
Values = Data  # sequences, with one value for each to predict
Signal = Data  # sequences, with a value for each step to predict


def split_size(n: int, share: float, split: str) -> int:
    """Return how many of `n` rows a split takes, round(share n).

    Args:
        n: rows to divide.
        share: the key `dataset.{split}`; only that of validation may be 0.
        split: `validation` or `test`.

    Raises:
        DataError: the split or the remaining part would have no rows.
    """
    size = round(share * n)
    if size >= n or (size == 0 and (share > 0 or split == "test")):
        raise DataError(
            f"dataset.{split} must leave rows in both parts, got {share} of {n}: a cut of {size}"
        )
    return size
