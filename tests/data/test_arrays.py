"""A user's own arrays: their splits, their labels, and an error with its remedy."""

import os
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brnn.data import images
from brnn.data.load import digest
from brnn.errors import DataError

X = np.array([[0, 255], [51, 0], [102, 0], [153, 0], [204, 0]], np.uint8)  # k / 5 of 255
Y = np.array([0, 1, 0, 1, 0])
FLOATS = X / np.float32(255)


@pytest.fixture
def arrays(tmp_path):
    """A function that saves arrays and reads them back as a data set."""

    def read(*, validation=0.0, test=0.4, seed=None, names=(), **named):
        path = tmp_path / "mine.npz"
        np.savez_compressed(path, **named)
        return images.arrays(
            path=str(path),
            validation=validation,
            test=test,
            seed=seed,
            names=names,
            normalization="none",
        )

    return read


def test_classes_have_the_given_names_and_each_needs_one(arrays):
    assert arrays(x=X, y=Y).names == ()
    assert arrays(x=X, y=Y, names=["cat", "dog"]).names == ("cat", "dog")
    with pytest.raises(DataError, match=r"names must name each of 2 classes, got 1 names"):
        arrays(x=X, y=Y, names=["cat"])


def test_the_last_rows_are_tested_and_the_first_validated(arrays):
    got = arrays(x=X, y=Y, validation=1 / 3, test=0.4)
    assert [split[0].tolist() for split in (got.train, got.validation, got.test)] == [
        [[51, 0], [102, 0]],
        [[0, 255]],
        [[153, 0], [204, 0]],
    ]
    assert [split[1].tolist() for split in (got.train, got.validation, got.test)] == [
        [1, 0],
        [0],
        [1, 0],
    ]
    assert (got.train[0].dtype, got.train[1].dtype) == (np.uint8, np.int32)
    assert (got.classes, got.source, got.sequential, got.tokens) == (2, "npz", False, None)


def test_floats_are_kept_as_they_are(arrays):
    got = arrays(x=FLOATS.astype(np.float64), y=Y.astype(float)).train[0]
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, FLOATS[:3])


def test_a_test_split_of_its_own_is_taken_and_counts_for_the_classes(arrays):
    got = arrays(x=X, y=Y, x_test=X[:1], y_test=np.array([4]))
    assert [len(split[0]) for split in (got.train, got.validation, got.test)] == [5, 0, 1]
    assert got.classes == 5


def test_one_hot_rows_are_read_as_classes(arrays):
    for one_hot in (np.eye(2)[Y], np.eye(2, dtype=bool)[Y]):
        assert digest(arrays(x=X, y=one_hot)) == digest(arrays(x=X, y=Y))


def test_the_names_of_keras_and_labels_in_a_column_are_read_alike(arrays):
    plain = arrays(x=X, y=Y, x_test=X[:2], y_test=Y[:2], validation=0.4)
    named = arrays(x_train=X, y_train=Y[:, None], x_test=X[:2], y_test=Y[:2, None], validation=0.4)
    assert digest(named) == digest(plain)
    assert named.train[1].shape == (3,)
    assert digest(arrays(x_train=X, y_train=Y[:, None])) == digest(arrays(x=X, y=Y))


def test_an_error_names_the_array_as_the_file_does(arrays):
    with pytest.raises(DataError, match=r"mine\.npz: y_train must hold whole numbers"):
        arrays(x_train=X, y_train=Y + 0.5)
    with pytest.raises(DataError, match="the rows of x_train and x_test must have one shape"):
        arrays(x_train=X, y_train=Y, x_test=X[:, :1], y_test=Y)


def test_a_seed_shuffles_rows_and_labels_together(arrays):
    x, y = np.repeat(FLOATS[:, None], 20, axis=1).reshape(100, 2), np.repeat(np.arange(5), 20)
    got = arrays(x=x, y=y, test=0.2, seed=0)
    assert set(got.test[1].tolist()) == set(range(5))
    np.testing.assert_array_equal(got.train[0], FLOATS[got.train[1]])
    again, other = (digest(arrays(x=x, y=y, test=0.2, seed=seed)) for seed in (0, 1))
    assert digest(got) == again != other


@given(
    n=st.integers(4, 40),
    validation=st.floats(0.3, 0.6),
    test=st.floats(0.3, 0.6),
    seed=st.none() | st.just(0),
)
def test_every_row_is_in_exactly_one_split(tmp_path_factory, n, validation, test, seed):
    path = tmp_path_factory.mktemp("rows") / "rows.npz"
    np.savez(path, x=np.arange(n, dtype=np.float32)[:, None] / n, y=np.arange(n) % 2)
    with warnings.catch_warnings(action="ignore"):
        got = images.arrays(
            path=str(path),
            validation=validation,
            test=test,
            seed=seed,
            names=[],
            normalization="none",
        )
    rows = np.concatenate([split[0] for split in (got.validation, got.train, got.test)]).ravel()
    assert len(got.test[0]) == round(test * n)
    assert len(got.validation[0]) == round(validation * (n - round(test * n)))
    expected = np.arange(n, dtype=np.float32) / n
    np.testing.assert_array_equal(rows if seed is None else np.sort(rows), expected)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            {"x": X},
            "must hold x, y or x_train, y_train, and may hold both x_test, y_test; it holds x$",
        ),
        ({}, "it holds nothing$"),
        ({"x": X, "y": Y, "x_test": X}, "it holds x, y, x_test$"),
        ({"x_train": X, "y": Y}, "it holds x_train, y$"),
        ({"x": X, "y": Y, "x_train": X, "y_train": Y}, "it holds x, y, x_train, y_train$"),
        ({"x_test": X, "y_test": Y}, "it holds x_test, y_test$"),
        ({"x": X, "y": Y, "x_tset": X, "y_tset": Y}, "it holds x, y, x_tset, y_tset$"),
        ({"x": Y, "y": Y}, r"x must have shape \(n, \.\.\.\) and values, got shape \(5,\)"),
        ({"x": X[:0], "y": Y[:0]}, r"x must have shape .* got shape \(0, 2\)"),
        ({"x": X[:, :0], "y": Y}, r"x must have shape .* got shape \(5, 0\)"),
        (
            {"x": X.astype(int), "y": Y},
            r"x must be uint8 \(0 to 255\) or float \(0 to 1\), got int64",
        ),
        ({"x": X.astype(str), "y": Y}, "x must be uint8"),
        ({"x": X.astype(complex), "y": Y}, "x must be uint8"),
        ({"x": X > 0, "y": Y}, "x must be uint8"),
        (
            {"x": (X > 0).astype(np.uint8), "y": Y},
            "x is uint8, to be divided by 255, but has only 0 and 1",
        ),
        (
            {"x": X.astype(float), "y": Y},
            r"x must be finite and in \[0, 1\], got values from 0.0 to 255.0",
        ),
        ({"x": -FLOATS, "y": Y}, "x must be finite"),
        ({"x": FLOATS + np.nan, "y": Y}, "x must be finite"),
        ({"x": FLOATS + np.inf, "y": Y}, "x must be finite"),
        (
            {"x": FLOATS, "y": Y[:4]},
            r"y must have one label for each of 5 rows, shape \(5,\) or \(5, 1\), got \(4,\)",
        ),
        ({"x": FLOATS, "y": np.eye(2)[Y] * 0}, r"y must have one label .* got \(5, 2\)"),
        ({"x": FLOATS, "y": np.array(list("abcab"))}, "y must hold whole numbers from 0, got <U1"),
        ({"x": FLOATS, "y": Y - 1}, "y must be classes from 0 to 65535, got -1"),
        ({"x": FLOATS, "y": Y + 0.5}, "y must hold whole numbers from 0 to 65535, got 0.5"),
        ({"x": FLOATS, "y": Y + np.nan}, "y must hold whole numbers from 0 to 65535, got nan"),
        ({"x": FLOATS, "y": Y + np.inf}, "y must hold whole numbers from 0 to 65535, got inf"),
        (
            {"x": FLOATS, "y": Y + 10**9},
            "y must be classes from 0 to 65535, got 1000000000",
        ),
        ({"x": FLOATS, "y": Y * 0}, "y must have at least 2 classes"),
        ({"x": FLOATS, "y": Y, "x_test": FLOATS + 1, "y_test": Y}, "x_test must be finite"),
        (
            {"x": FLOATS, "y": Y, "x_test": FLOATS, "y_test": Y[:1]},
            "y_test must have one label for each of 5",
        ),
        (
            {"x": FLOATS, "y": Y, "x_test": FLOATS[:, :1], "y_test": Y},
            r"must have one shape, got \(2,\) and \(1,\)",
        ),
        (
            {"x": FLOATS, "y": Y, "test": 0.0},
            "dataset.test must leave rows in both parts, got 0.0 of 5",
        ),
        (
            {"x": FLOATS, "y": Y, "test": 0.01},
            "dataset.test must leave rows in both parts, got 0.01 of 5: a cut of 0",
        ),
        (
            {"x": FLOATS, "y": Y, "test": 0.99},
            "dataset.test must leave rows in both parts, got 0.99 of 5: a cut of 5",
        ),
        (
            {"x": FLOATS, "y": Y, "validation": 0.9},
            "dataset.validation must leave rows in both parts, got 0.9 of 3",
        ),
        (
            {"x": FLOATS, "y": Y, "validation": 0.1},
            "dataset.validation must leave rows in both parts, got 0.1 of 3",
        ),
    ],
)
def test_arrays_that_are_not_a_data_set_are_refused(arrays, named, message):
    with pytest.raises(DataError, match=message) as refused:
        arrays(**named)
    assert "\n" not in str(refused.value)
    assert "mine.npz" in str(refused.value) or "dataset." in str(refused.value)


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_is_refused_and_not_run(arrays, tmp_path):
    trap = np.array([Trap(str(tmp_path / "sprung"))] * 5, dtype=object)
    with pytest.raises(
        DataError, match=r"mine\.npz cannot be read .*: write plain arrays with numpy.savez"
    ):
        arrays(x=X, y=trap)
    assert not (tmp_path / "sprung").exists()


def broken_zip(path):
    np.savez(path, x=X.repeat(100, axis=0), y=Y.repeat(100))
    content = bytearray(path.read_bytes())
    content[300] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda path: path.write_bytes(b""),
            "is not an .npz file: write it with numpy.savez_compressed",
        ),
        (lambda path: path.write_bytes(b"\x80\x04N."), "is not an .npz file"),
        (lambda path: np.save(path.open("wb"), X), "is not an .npz file"),
        (broken_zip, "cannot be read"),
    ],
    ids=["empty", "pickle", "npy", "broken"],
)
def test_a_file_that_is_not_an_npz_is_refused(tmp_path, write, message):
    path = tmp_path / "mine.npz"
    write(path)
    with pytest.raises(DataError, match=f"mine.npz {message}"):
        images.arrays(
            path=str(path), validation=0.0, test=0.2, seed=None, names=[], normalization="none"
        )


def test_a_path_must_be_given_and_exist(tmp_path):
    with pytest.raises(
        DataError, match=r"dataset\.path must name an \.npz file with the arrays x and y, got null"
    ):
        images.arrays(
            path=None, validation=0.0, test=0.2, seed=None, names=[], normalization="none"
        )
    for path in (tmp_path, tmp_path / "none.npz"):
        with pytest.raises(DataError, match=f"got {path}, which is not a file"):
            images.arrays(
                path=str(path), validation=0.0, test=0.2, seed=None, names=[], normalization="none"
            )
