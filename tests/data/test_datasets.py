"""Data sets of images: the stated splits of the stated pixels, or an error with its remedy."""

import gzip
import hashlib
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brnn.data import dataset, images, readers, sequences
from brnn.data.folders import data_folder
from brnn.data.load import digest
from brnn.errors import DataError

SHARE = 0.08333333  # 5,000 of 60,000
X = np.array([[0, 255], [51, 0], [102, 0], [153, 0], [204, 0]], np.uint8)  # k / 5 of 255
Y = np.array([0, 1, 0, 1, 0])
FLOATS = X / np.float32(255)
needs_data = pytest.mark.skipif(
    "BRNN_DATA" not in os.environ, reason="BRNN_DATA names no folder of data sets"
)
needs_fashion = pytest.mark.skipif(
    not Path(images.DEBIAN_FASHION).exists(), reason="no package dataset-fashion-mnist"
)


# Data


def data(*arrays, **fields):
    pairs = [(array, np.zeros(len(array), np.int32)) for array in arrays]
    return dataset.Data(*pairs, **({"classes": 10, "source": "generated"} | fields))


def test_the_digest_is_the_sha256_of_classes_alphabet_types_shapes_and_bytes():
    array = np.array([[1.0, 2.0]], np.float32)
    pixels = b"float32(1, 2)" + b"\x00\x00\x80\x3f\x00\x00\x00\x40"  # 1 and 2 in IEEE 754
    labels = b"int32(1,)" + bytes(4)
    assert (
        digest(data(array, array, array))
        == hashlib.sha256(b"10 None" + 3 * (pixels + labels)).hexdigest()
    )


def test_the_digest_depends_on_values_shapes_and_splits_but_not_on_the_source():
    a, b, none = np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((0, 3))
    b[1, 2] = 1e-9
    others = [
        data(a, a, b),
        data(a, a, a.reshape(3, 2)),
        data(a, none, a),
        data(a, a, a, tokens="ab"),
    ]
    digests = [digest(other) for other in (data(a, a, a), *others)]
    assert len(set(digests)) == 5
    assert digest(data(a, a, a, source="idx")) == digests[0]


# IDX files


def idx(array) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    """Four IDX files, two of them compressed, and the checksums of their content."""
    x = np.random.default_rng(0).integers(256, size=(3, 28, 28), dtype=np.uint8)
    y = np.array([7, 2, 1], np.uint8)
    contents = dict(zip(images.MNIST, map(idx, (x, y, x[:2], y[:2])), strict=True))
    for name, content in contents.items():
        if name.startswith("train"):
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (tmp_path / name).write_bytes(content)
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return tmp_path, checksums, x, y


def test_idx_files_are_read_compressed_or_not(folder):
    root, checksums, x, y = folder
    arrays = readers.read_idx(root, checksums)
    for array, expected in zip(arrays, (x, y, x[:2], y[:2]), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_a_folder_without_idx_files_has_no_arrays(tmp_path):
    assert readers.read_idx(tmp_path, images.MNIST) is None
    assert readers.read_idx(tmp_path / "nowhere", images.MNIST) is None


def test_missing_idx_files_are_named(folder):
    root, checksums, *_ = folder
    (root / "t10k-labels-idx1-ubyte").unlink()
    (root / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(
        DataError, match=r"only some of .*add t10k-labels-idx1-ubyte, train-images-idx3-ubyte$"
    ):
        readers.read_idx(root, checksums)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: b"not gzip" + content,
        lambda content: content[:200] + bytes(100) + content[300:],
    ],
    ids=["half", "a byte short", "empty", "no gzip", "zeros inside"],
)
def test_a_damaged_gzip_is_named(folder, damage):
    root, checksums, *_ = folder
    path = root / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        DataError, match=r"train-images-idx3-ubyte\.gz (cannot be read|is not the original).*get "
    ):
        readers.read_idx(root, checksums)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"\x01" + content[1:],
        lambda content: content[:-1],
        lambda content: content + b"\x00",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"",
    ],
    ids=["magic", "a byte short", "a byte more", "one bit", "empty"],
)
def test_a_changed_idx_file_is_named(folder, damage):
    root, checksums, *_ = folder
    path = root / "t10k-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte is not the original file"):
        readers.read_idx(root, checksums)


@pytest.mark.parametrize("option", [images.mnist, images.fashion_mnist])
def test_other_images_under_the_names_of_mnist_are_refused(folder, option):
    with pytest.raises(
        DataError,
        match="is not the original file: get it again; data of your own go into dataset=arr",
    ):
        option(root=str(folder[0]), validation=0.0)


# Folders


def test_the_folder_is_the_one_named_else_that_of_the_variable_else_data(tmp_path, monkeypatch):
    monkeypatch.delenv("BRNN_DATA", raising=False)
    assert data_folder("auto", "mnist") == Path("data/mnist")
    monkeypatch.setenv("BRNN_DATA", "")
    assert data_folder("auto", "mnist") == Path("data/mnist")
    monkeypatch.setenv("BRNN_DATA", str(tmp_path))
    assert data_folder("auto", "mnist") == tmp_path / "mnist"  # which does not exist
    (tmp_path / "mine").mkdir()
    assert data_folder(str(tmp_path / "mine"), "mnist") == tmp_path / "mine"


def test_a_named_folder_that_does_not_exist_is_refused(tmp_path, monkeypatch):
    absent = tmp_path / "mnits"
    for option in (images.mnist, images.fashion_mnist):
        with pytest.raises(
            DataError, match=rf"^dataset\.root must be a folder that exists, got {absent}$"
        ):
            option(root=str(absent), validation=SHARE)
    monkeypatch.setenv("BRNN_DATA", str(absent))
    with pytest.raises(DataError, match=rf"^BRNN_DATA must be a folder that exists, got {absent}$"):
        images.mnist(root="auto", validation=SHARE)


def test_a_named_folder_without_the_files_is_refused(tmp_path):
    for option in (images.mnist, images.fashion_mnist):
        with pytest.raises(
            DataError, match=rf"^dataset\.root must hold .*, got {tmp_path} with none of them$"
        ):
            option(root=str(tmp_path), validation=SHARE)


# MNIST and Fashion-MNIST


@needs_data
def test_mnist_is_split_into_the_last_55000_the_first_5000_and_10000():
    got = images.mnist(root=os.environ["BRNN_DATA"] + "/mnist", validation=SHARE)
    for (x, y), n in ((got.train, 55_000), (got.validation, 5_000), (got.test, 10_000)):
        assert (x.shape, x.dtype, x.min(), x.max()) == ((n, 28, 28), np.uint8, 0, 255)
        assert (y.shape, y.dtype) == ((n,), np.int32)
    assert got.validation[1][:5].tolist() == [5, 0, 4, 1, 9]
    assert got.train[1][:5].tolist() == [7, 3, 4, 6, 1]
    assert got.test[1][:5].tolist() == [7, 2, 1, 0, 4]
    assert got.validation[0][0, 5, 12:16].tolist() == [3, 18, 18, 18]
    assert (got.classes, got.source, got.sequential) == (10, "idx", False)


@needs_fashion
def test_fashion_mnist_is_read_from_debians_package(tmp_path, monkeypatch):
    monkeypatch.setenv("BRNN_DATA", str(tmp_path))
    got = images.fashion_mnist(root="auto", validation=SHARE)
    assert [len(split[0]) for split in (got.train, got.validation, got.test)] == [
        55_000,
        5_000,
        10_000,
    ]
    assert got.validation[1][:5].tolist() == [9, 0, 0, 3, 0]
    assert (got.classes, got.source) == (10, "idx")


OFFLINE = """
import os, pathlib, shutil, socket, sys, warnings
import numpy as np
from brnn.data import images, sequences
from brnn.errors import DataError, DataWarning

assert "tensorflow" not in sys.modules, "importing the data sets must not import TensorFlow"
out, home, texts = sys.argv[1:]
arrays = {}
keys = {"root": "auto", "validation": 0.25}
order = {"permutation_seed": 3}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for key, load in {
        "images": lambda: images.mnist(**keys),
        "rows": lambda: sequences.mnist_rows(**keys, permuted=True, **order),
        "pixels": lambda: sequences.mnist_pixels(**keys, permuted=False, **order),
    }.items():
        data = load()
        arrays[f"{key}_source"] = data.source
        for split in ("train", "validation", "test"):
            arrays[f"{key}_{split}_x"], arrays[f"{key}_{split}_y"] = getattr(data, split)
arrays["warnings"] = [str(w.message) for w in caught if w.category is DataWarning]
arrays["timeout"] = str(socket.getdefaulttimeout())

images.DEBIAN_FASHION = pathlib.Path("nowhere")
keys = {"path": "tinyshakespeare", "sequence": 128, "carried": True}
keys |= {"validation": 0.05, "test": 0.05}
for key, load in {
    "fashion": lambda: images.fashion_mnist(root="auto", validation=0.1),
    "text": lambda: sequences.text(root="auto", **keys),
}.items():
    try:
        load()
    except DataError as error:
        arrays[key] = str(error)
if texts:
    shutil.copytree(texts, f"{home}/datasets/tinyshakespeare", dirs_exist_ok=True)
    arrays["cached"] = sequences.text(root="auto", **keys).tokens
np.savez(out, **arrays)
"""


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """The data sets of a process without files, Keras' cache and network (by a closed proxy)."""
    folder, home = tmp_path_factory.mktemp("offline"), tmp_path_factory.mktemp("keras")
    texts = f"{os.environ['BRNN_DATA']}/tinyshakespeare" if "BRNN_DATA" in os.environ else ""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key != "BRNN_DATA" and not key.lower().endswith("_proxy")
    }
    out = folder / "arrays.npz"
    process = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(out), str(home), texts],
        env=kept
        | {
            "KERAS_HOME": str(home),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "https_proxy": "http://127.0.0.1:1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return dict(np.load(out)) | {"printed": process.stdout}


def test_without_files_and_network_there_are_5000_digits(offline):
    assert offline["images_source"] == "embedded"
    for split, n in (("train", 3000), ("validation", 1000), ("test", 1000)):
        x, y = offline[f"images_{split}_x"], offline[f"images_{split}_y"]
        assert (x.shape, x.dtype, x.min(), x.max()) == ((n, 28, 28), np.uint8, 0, 255)
        assert (y.dtype, np.bincount(y).tolist()) == (np.int32, [n // 10] * 10)
    zeros = offline["images_test_x"][offline["images_test_y"] == 0]
    assert zeros[:, 13:15, 13:15].mean() < 0.1 * 255  # the middle of a 0 is empty
    ones = offline["images_test_x"][offline["images_test_y"] == 1]
    assert ones[:, 13:15, 13:15].mean() > 0.7 * 255  # the middle of a 1 is full


def test_no_embedded_digit_is_in_two_splits(offline):
    splits = [
        {image.tobytes() for image in offline[f"images_{s}_x"]}
        for s in ("train", "validation", "test")
    ]
    assert [len(split) for split in splits] == [3000, 1000, 1000]
    assert len(set.union(*splits)) == 5000


def test_embedded_digits_are_announced_each_time_and_nothing_else_is_printed(offline):
    assert len(offline["warnings"]) == 3
    message = offline["warnings"][0]
    assert message.startswith("ONLY 5,000 DIGITS")
    assert "\n" not in message
    assert "into data/mnist (or name their folder by dataset.root)" in message
    assert all(name in message for name in images.MNIST)
    assert offline["printed"] == ""
    assert offline["timeout"] == "None"


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_mnist_rows_put_all_pixels_in_one_order(offline, split):
    pictures, rows = offline[f"images_{split}_x"], offline[f"rows_{split}_x"]
    order = np.random.default_rng(3).permutation(784)
    assert rows.shape == (len(pictures), 28, 28)
    np.testing.assert_array_equal(rows[5].ravel(), pictures[5].ravel()[order])
    np.testing.assert_array_equal(rows[-1, 2, 3], pictures[-1].ravel()[order[2 * 28 + 3]])
    np.testing.assert_array_equal(offline[f"rows_{split}_y"], offline[f"images_{split}_y"])


def test_mnist_pixels_are_read_like_a_page(offline):
    pictures, pixels = offline["images_train_x"], offline["pixels_train_x"]
    assert pixels.shape == (3000, 784, 1)
    np.testing.assert_array_equal(pixels[:, 10 * 28 + 14, 0], pictures[:, 10, 14])


def test_without_fashion_mnist_three_ways_are_named(offline):
    assert "dataset.root" in str(offline["fashion"])
    assert "dataset-fashion-mnist" in str(offline["fashion"])
    assert "network" in str(offline["fashion"])


def test_without_tinyshakespeare_its_address_is_named(offline):
    assert sequences.SHAKESPEARE_URL in str(offline["text"])
    assert "dataset.path" in str(offline["text"])


@needs_data
def test_a_text_in_the_cache_needs_no_network(offline):
    assert len(str(offline["cached"])) == 65


# A user's own arrays


@pytest.fixture
def arrays(tmp_path):
    """A function that saves arrays and reads them back as a data set."""

    def read(*, validation=0.0, test=0.4, seed=None, **named):
        path = tmp_path / "mine.npz"
        np.savez_compressed(path, **named)
        return images.arrays(path=str(path), validation=validation, test=test, seed=seed)

    return read


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
        got = images.arrays(path=str(path), validation=validation, test=test, seed=seed)
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
        images.arrays(path=str(path), validation=0.0, test=0.2, seed=None)


def test_a_path_must_be_given_and_exist(tmp_path):
    with pytest.raises(
        DataError, match=r"dataset\.path must name an \.npz file with the arrays x and y, got null"
    ):
        images.arrays(path=None, validation=0.0, test=0.2, seed=None)
    for path in (tmp_path, tmp_path / "none.npz"):
        with pytest.raises(DataError, match=f"got {path}, which is not a file"):
            images.arrays(path=str(path), validation=0.0, test=0.2, seed=None)
