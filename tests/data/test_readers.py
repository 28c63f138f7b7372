"""Readers: IDX files as they are, and the damaged ones named."""

import gzip
import hashlib

import numpy as np
import pytest

from brnn.data import images, readers
from brnn.errors import DataError

SHARE = 0.08333333  # 5,000 of 60,000


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
        option(root=str(folder[0]), validation=0.0, normalization="none")
