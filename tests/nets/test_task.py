"""Tasks: inputs and outputs by the shapes and types of the arrays."""

from dataclasses import replace

import numpy as np
import pytest

from brnn.data.dataset import Data
from brnn.nets.task import Task, task_of


@pytest.mark.parametrize(
    ("dtype", "tokens"), [("uint8", False), ("float32", False), ("int32", True)]
)
def test_integers_are_tokens_and_bytes_are_pixels(dtype, tokens):
    split = (np.zeros((4, 7), dtype), np.zeros(4, "int32"))
    assert task_of(Data(split, split, split, 5, "npz")) == Task((7,), 5, tokens=tokens)


def test_tokens_that_are_bytes_are_refused():
    split = (np.zeros((4, 7), "uint8"), np.zeros((4, 7), "int32"))
    with pytest.raises(ValueError, match="tokens must be int32, got uint8"):
        task_of(Data(split, split, split, 2, "text", tokens="ab"))


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (np.zeros((9, 28, 28), "float32"), np.zeros(9, "int32"), Task((28, 28), 3)),
        (
            np.zeros((3, 12), "int32"),
            np.zeros((3, 12), "int32"),
            Task((12,), 3, tokens=True, per_step=True),
        ),
        (
            np.zeros((9, 7, 2), "float32"),
            np.zeros((9, 1), "float32"),
            Task((7, 2), 3),
        ),  # the adding task
        (
            np.zeros((9, 7, 1), "float32"),
            np.zeros((9, 7, 1), "float32"),
            Task((7, 1), 3, per_step=True),
        ),
    ],
)
def test_task_follows_from_the_arrays(x, y, expected):
    data = Data((x, y), (x[:0], y[:0]), (x, y), classes=3, source="generated")
    assert task_of(data) == expected
    assert task_of(replace(data, sequential=True)) == replace(expected, carried=True)
