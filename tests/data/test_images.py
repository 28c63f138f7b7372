"""Data sets of images: the stated splits of the stated pixels, or an error with its remedy."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brnn.data import images, sequences
from brnn.data.load import digest
from brnn.errors import DataError

SHARE = 0.08333333  # 5,000 of 60,000
needs_data = pytest.mark.skipif(
    "BRNN_DATA" not in os.environ, reason="BRNN_DATA names no folder of data sets"
)
needs_fashion = pytest.mark.skipif(
    not Path(images.DEBIAN_FASHION).exists(), reason="no package dataset-fashion-mnist"
)


@needs_data
def test_mnist_is_split_into_the_last_55000_the_first_5000_and_10000():
    got = images.mnist(
        root=os.environ["BRNN_DATA"] + "/mnist", validation=SHARE, normalization="none"
    )
    for (x, y), n in ((got.train, 55_000), (got.validation, 5_000), (got.test, 10_000)):
        assert (x.shape, x.dtype, x.min(), x.max()) == ((n, 28, 28), np.uint8, 0, 255)
        assert (y.shape, y.dtype) == ((n,), np.int32)
    assert got.validation[1][:5].tolist() == [5, 0, 4, 1, 9]
    assert got.train[1][:5].tolist() == [7, 3, 4, 6, 1]
    assert got.test[1][:5].tolist() == [7, 2, 1, 0, 4]
    assert got.validation[0][0, 5, 12:16].tolist() == [3, 18, 18, 18]
    assert (got.classes, got.source, got.sequential) == (10, "idx", False)


@needs_data
def test_traffic_signs_are_shuffled_by_their_seed_and_all_kept():
    with np.load(Path(os.environ["BRNN_DATA"]) / "gtsrb30.npz") as file:
        x, y = file["x"], file["y"]
    keys = {"root": os.environ["BRNN_DATA"], "validation": 0.1, "test": 0.2}
    keys["normalization"] = "none"
    got, again, other = (images.gtsrb(**keys, seed=seed) for seed in (0, 0, 1))
    order = np.random.default_rng(0).permutation(10_630)
    np.testing.assert_array_equal(got.test[0], x[order[-2126:]])
    np.testing.assert_array_equal(got.validation[1], y[order[:850]])
    assert (got.classes, len(got.train[0]), got.train[0].dtype) == (43, 7654, np.uint8)
    assert digest(got) == digest(again) != digest(other)


def test_a_folder_without_traffic_signs_is_named(tmp_path):
    keys = {"root": str(tmp_path), "validation": 0.1, "test": 0.1, "normalization": "none"}
    with pytest.raises(DataError, match=r"no traffic signs: .*gtsrb30\.npz must hold x"):
        images.gtsrb(**keys, seed=0)
    np.savez(tmp_path / "gtsrb30.npz", x=np.zeros((2, 3)))
    with pytest.raises(DataError, match=r"must hold x and y, got it without y"):
        images.gtsrb(**keys, seed=0)


@needs_fashion
def test_fashion_mnist_is_read_from_debians_package(tmp_path, monkeypatch):
    monkeypatch.setenv("BRNN_DATA", str(tmp_path))
    got = images.fashion_mnist(root="auto", validation=SHARE, normalization="none")
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
from brnn.data.load import digest
from brnn.errors import DataError
from brnn.errors import DataError, DataWarning

assert "tensorflow" not in sys.modules, "importing the data sets must not import TensorFlow"
out, home, texts = sys.argv[1:]
arrays = {}
keys = {"root": "auto", "validation": 0.25}
order = {"permutation_seed": 3}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for key, load in {
        "images": lambda: images.mnist(**keys, normalization="none"),
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
    "fashion": lambda: images.fashion_mnist(root="auto", validation=0.1, normalization="none"),
    "cifar": lambda: images.cifar10(root="auto", validation=0.1, normalization="none"),
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
    assert "cifar-10-python.tar.gz" in str(offline["cifar"])
    assert sequences.SHAKESPEARE_URL in str(offline["text"])
    assert "dataset.path" in str(offline["text"])


@needs_data
def test_a_text_in_the_cache_needs_no_network(offline):
    assert len(str(offline["cached"])) == 65
