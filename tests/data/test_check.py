"""Inputs and labels: each accepted form becomes the stated one, and every other is refused."""

import re
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brnn.data.check import (
    checked,
    checked_inputs,
    checked_labels,
    checked_splits,
    warn_of_unusual,
)
from brnn.data.dataset import Data
from brnn.errors import DataError, DataWarning

VECTORS = np.zeros((4, 3), np.float32)
SEQUENCES = np.zeros((4, 5, 3), np.float32)
TOKENS = np.zeros((4, 5), np.int32)
Y = np.array([0, 2, 1, 2])


def data(x=None, y=None, *, validation=0, test=4, classes=3, **fields):
    x = VECTORS if x is None else x
    y = Y if y is None else y
    splits = ((x, y), (x[:validation], y[:validation]), (x[:test], y[:test]))
    return Data(*splits, classes, "npz", **fields)


# inputs


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("uint8", "uint8"),
        ("bool", "float32"),
        ("float16", "float32"),
        ("float64", "float32"),
        ("int64", "int32"),
        ("uint16", "int32"),
    ],
)
def test_inputs_have_one_of_three_types(given, wanted):
    x = checked_inputs(np.ones((2, 3), given), "x")
    assert x.dtype == wanted
    np.testing.assert_array_equal(x, np.ones((2, 3)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_inputs_that_float32_cannot_hold_are_named_with_their_row(value):
    x = np.zeros((4, 2, 2))
    x[2, 1, 0] = value
    with pytest.raises(DataError, match=r"my x must be finite, got .* in row 2, counted from 0"):
        checked_inputs(x, "my x")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(3), r"x must have shape \(n, \.\.\.\) and values, got shape \(3,\)"),
        (np.zeros((3, 0)), r"got shape \(3, 0\)"),
        (np.zeros((3, 1), complex), "got complex128"),
        (np.array([["a"], ["b"]]), "got <U1"),
    ],
)
def test_other_inputs_are_refused(x, message):
    with pytest.raises(DataError, match=message):
        checked_inputs(x, "x")


# labels


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "uint32"])
@pytest.mark.parametrize(
    "form", [lambda y: y, lambda y: y[:, None], lambda y: np.eye(3, dtype=y.dtype)[y]]
)
def test_a_column_and_one_hot_rows_are_classes(dtype, form):
    y = checked_labels(form(Y.astype(dtype)), VECTORS, 3, "y")
    assert y.dtype == np.int32
    np.testing.assert_array_equal(y, Y)


def test_whole_floats_are_classes_where_there_are_several_outputs():
    y = checked_labels(Y.astype(float), VECTORS, 3, "y")
    assert (y.dtype, y.tolist()) == (np.int32, [0, 2, 1, 2])


def test_whole_floats_are_values_where_there_is_one_output():
    y = checked_labels(Y.astype(float), VECTORS, 1, "y")
    assert (y.dtype, y.tolist()) == (np.float32, [[0], [2], [1], [2]])


def test_values_of_a_sequence_have_an_axis_of_outputs():
    y = checked_labels(np.zeros((4, 5)), SEQUENCES, 1, "y")
    assert (y.dtype, y.shape) == (np.float32, (4, 5, 1))


@pytest.mark.parametrize("x", [SEQUENCES, TOKENS])
def test_each_step_may_have_a_class(x):
    y = np.arange(20).reshape(4, 5) % 3
    np.testing.assert_array_equal(checked_labels(y, x, 3, "y"), y)


def test_tokens_of_one_step_keep_their_axis():
    y = checked_labels(Y[:, None], TOKENS[:, :1], 3, "y")
    assert y.shape == (4, 1)


@pytest.mark.parametrize(
    ("y", "outputs", "message"),
    [
        (Y + 1, 3, "y must be classes from 0 to 2, got 3"),
        (Y - 1, 3, "y must be classes from 0 to 2, got -1"),
        (Y[:3], 3, r"one label for each of 4 rows, shape \(4,\) or \(4, 1\), got \(3,\)"),
        (np.float64(1), 3, r"got \(\)"),
        (np.ones((4, 3), int), 3, r"one for each step of a sequence, got \(4, 3\)"),
        (Y + 0.5, 3, r"y are floats of shape \(4, 1\), to be predicted by a net of 3 outputs"),
        (Y + np.nan, 3, "y must be finite, got nan in row 0"),
        (Y, 1, "y are classes, got int64, for a net of one output"),
        (np.array(list("abca")), 3, "y must be whole numbers"),
    ],
)
def test_other_labels_are_refused(y, outputs, message):
    with pytest.raises(DataError, match=message):
        checked_labels(y, VECTORS, outputs, "y")


# whole data sets


def test_data_that_are_in_order_stay_the_same_arrays():
    given = data(y=Y.astype("int32"), validation=2)
    for split in ("train", "validation", "test"):
        for one, other in zip(getattr(checked(given), split), getattr(given, split), strict=True):
            assert np.shares_memory(one, other)


def test_an_error_names_the_split():
    bad = VECTORS.copy()
    bad[3] = np.nan
    with pytest.raises(DataError, match="inputs of the test split must be finite"):
        checked(Data((VECTORS, Y), (VECTORS, Y), (bad, Y), 3, "npz"))
    with pytest.raises(DataError, match="labels of the validation split must be classes from 0"):
        checked(Data((VECTORS, Y), (VECTORS, Y + 1), (VECTORS, Y), 3, "npz"))


def test_splits_must_fit_one_another_and_have_training_rows():
    with pytest.raises(DataError, match=r"one shape and .* got \(3,\), int32 and \(2,\), int32"):
        checked(Data((VECTORS, Y), (VECTORS, Y), (VECTORS[:, :2], Y), 3, "npz"))
    with pytest.raises(DataError, match="the training split must have rows"):
        checked(data(VECTORS[:0], Y[:0]))


def test_any_object_with_three_splits_is_data():
    split = (VECTORS, Y[:, None])
    splits = checked_splits(SimpleNamespace(train=split, validation=split, test=split), None)
    assert splits["test"][1].tolist() == Y.tolist()


# warnings


def warned(given):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_unusual(checked(given))
    assert all(warning.category is DataWarning for warning in caught)
    return [str(warning.message) for warning in caught]


def test_classes_without_training_rows_are_named():
    (text,) = warned(data(y=np.array([1, 2, 4, 1]), classes=5))
    assert "the training split has no row of class 0, 3," in text
    assert "dataset.seed" not in text


def test_rows_sorted_by_class_are_named_with_the_remedy():
    x, y = np.zeros((150, 4), np.float32), np.repeat([0, 1, 2], 50)
    (text,) = warned(Data((x[:120], y[:120]), (x[:0], y[:0]), (x[120:], y[120:]), 3, "npz"))
    assert "the test split has no row of class 0, 1, as in rows sorted by class" in text
    assert "dataset.seed=0" in text
    (text,) = warned(Data((x[:90], y[:90]), (x[:0], y[:0]), (x[90:], y[90:]), 3, "npz"))[:1]
    assert "the training split has no row of class 2" in text
    assert "dataset.seed=0" in text


@pytest.mark.parametrize(("largest", "count"), [(1, 1), (16, 1), (32, 1), (33, 0), (255, 0)])
def test_bytes_of_a_small_range_are_named(largest, count):
    x = np.array([[0], [largest], [0], [largest]], np.uint8)
    texts = warned(data(x))
    assert len(texts) == count
    assert all(f"bytes from 0 to {largest}, which a net sees divided by 255" in t for t in texts)


@pytest.mark.parametrize(("rows", "count"), [(43, 0), (44, 1)])
def test_an_absence_that_may_be_chance_is_not_named(rows, count):
    """0.9^44 is below 0.01, 0.9^43 is not."""
    x, y = np.zeros((1000, 1), np.float32), np.zeros(1000, int)
    y[:rows] = 1
    n = 900
    texts = warned(Data((x[:n], y[:n]), (x[:0], y[:0]), (x[n:], y[n:]), 2, "npz"))
    assert len(texts) == count


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 10))
def test_shuffled_rows_cause_no_warning(seed, classes):
    y = np.random.default_rng(seed).permutation(np.arange(60 * classes) % classes)
    x, n = np.zeros((len(y), 1), np.float32), len(y) // 3
    assert warned(Data((x[n:], y[n:]), (x[:0], y[:0]), (x[:n], y[:n]), classes, "npz")) == []


@pytest.mark.parametrize("given", [data(y=Y + 0.5, classes=1), data(TOKENS, TOKENS)])
def test_values_and_sequences_have_no_classes_to_warn_of(given):
    assert warned(given) == []


def test_the_messages_are_one_line():
    with pytest.raises(DataError) as refused:
        checked(data(y=Y + 7))
    assert not re.search(r"\n", str(refused.value))
