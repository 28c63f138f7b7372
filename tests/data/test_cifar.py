"""CIFAR-10: the same images from each version of its files; no file runs code."""

import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from brnn.data import cifar, images
from brnn.errors import DataError

ROWS = 4  # of each file
KEYS = {"validation": 0.0, "normalization": "none"}


def planes(part):
    """Rows of 3,072 bytes and their classes, as a file of CIFAR-10 has them."""
    rng = np.random.default_rng(cifar.PARTS.index(part))
    return rng.integers(0, 256, (ROWS, 3072), "uint8"), [
        int(y) for y in rng.integers(10, size=ROWS)
    ]


def binary(part):
    rows, classes = planes(part)
    return b"".join(bytes([y]) + row.tobytes() for row, y in zip(rows, classes, strict=True))


def python(part, protocol=2, order="C"):
    rows, classes = planes(part)
    batch = {b"batch_label": b"x", b"labels": classes, b"data": np.asarray(rows, order=order)}
    return pickle.dumps(batch | {b"filenames": [b"a.png"] * ROWS}, protocol)


def python_2(part):
    """The original form: texts of Python 2, and the names of NumPy 1."""
    rows, classes = planes(part)

    def text(value):
        return b"T" + len(value).to_bytes(4, "little") + value

    def number(value):
        return b"J" + value.to_bytes(4, "little")

    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + number(0) + b"\x85"
    array += text(b"b") + b"tR(" + number(1) + number(ROWS) + number(3072) + b"\x86"
    array += b"cnumpy\ndtype\n(" + text(b"u1") + number(0) + number(1) + b"tR(" + number(3)
    array += text(b"|") + b"NNN" + b"J\xff\xff\xff\xff" * 2 + number(0) + b"tb"
    array += number(0) + text(rows.tobytes()) + b"tb"
    labels = b"](" + b"".join(map(number, classes)) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + labels + b"u."


FORMS = {
    "binary": (".bin", binary),
    "python 2": ("", python_2),
    "protocol 0": ("", lambda part: python(part, 0)),
    "protocol 2": ("", python),
    "protocol 4": ("", lambda part: python(part, 4)),
    "by columns": ("", lambda part: python(part, 4, "F")),
}


def write(folder, suffix, content):
    folder.mkdir(exist_ok=True, parents=True)
    for part in cifar.PARTS:
        (folder / f"{part}{suffix}").write_bytes(content(part))


def expected():
    """Every image with its channels last, by hand: byte 1024 c + 32 i + j is pixel i, j of c."""
    x, y = [], []
    for part in cifar.PARTS:
        rows, classes = planes(part)
        image = np.zeros((ROWS, 32, 32, 3), "uint8")
        for channel in range(3):
            for row in range(32):
                start = 1024 * channel + 32 * row
                image[:, row, :, channel] = rows[:, start : start + 32]
        x, y = [*x, image], [*y, classes]
    return np.concatenate(x), np.concatenate(y)


def check(data):
    x, y = expected()
    np.testing.assert_array_equal(data.train[0], x[:-ROWS])
    np.testing.assert_array_equal(data.train[1], y[:-ROWS])
    np.testing.assert_array_equal(data.test[0], x[-ROWS:])
    np.testing.assert_array_equal(data.test[1], y[-ROWS:])
    assert (data.train[0].dtype, data.train[1].dtype) == (np.uint8, np.int32)


@pytest.mark.parametrize("form", FORMS)
def test_every_version_gives_the_same_images(tmp_path, form):
    write(tmp_path, *FORMS[form])
    data = images.cifar10(root=str(tmp_path), **KEYS)
    check(data)
    assert data.source == "cifar"


@pytest.mark.parametrize("place", ["cifar10", "cifar-10-batches-py", "cifar10/cifar-10-batches-py"])
def test_the_usual_folders_are_found(tmp_path, monkeypatch, place):
    monkeypatch.setenv("BRNN_DATA", str(tmp_path))
    write(tmp_path / place, "", python)
    check(images.cifar10(root="auto", **KEYS))


def test_the_cache_of_keras_is_read(tmp_path, monkeypatch):
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("BRNN_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    cache = tmp_path / "datasets/cifar-10-batches-py-target/cifar-10-batches-py"
    write(cache, "", python_2)
    check(images.cifar10(root="auto", **KEYS))


@pytest.mark.parametrize(
    ("archive", "inner", "form"),
    [
        ("cifar-10-python.tar.gz", "cifar-10-batches-py", "python 2"),
        ("cifar-10-binary.tar.gz", "cifar-10-batches-bin", "binary"),
    ],
)
def test_an_archive_is_read_as_it_is(tmp_path, archive, inner, form):
    suffix, content = FORMS[form]
    with tarfile.open(tmp_path / archive, "w:gz") as file:
        for part in cifar.PARTS:
            member = tarfile.TarInfo(f"{inner}/{part}{suffix}")
            member.size = len(content(part))
            file.addfile(member, io.BytesIO(content(part)))
    check(images.cifar10(root=str(tmp_path), **KEYS))
    assert [path.name for path in tmp_path.iterdir()] == [archive]  # nothing is unpacked


class Harmful:
    """Unpickling it makes a folder."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("place", ["whole", "data", "labels", "filenames"])
def test_a_pickle_that_runs_code_is_refused(tmp_path, place):
    write(tmp_path, "", python)
    batch = pickle.loads(python("test_batch")) | {place.encode(): Harmful(tmp_path / "harm")}
    content = Harmful(tmp_path / "harm") if place == "whole" else batch
    (tmp_path / "test_batch").write_bytes(pickle.dumps(content))
    with pytest.raises(
        DataError, match=r"test_batch is not a batch of CIFAR-10 .*names posix.mkdir"
    ):
        images.cifar10(root=str(tmp_path), **KEYS)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({b"labels": [1]}, "KeyError"),
        ({b"data": np.zeros((2, 3072), "uint8")}, "KeyError"),
        ({b"data": np.zeros((2, 3072), "uint8"), b"labels": [1]}, r"uint8 \(2, 3072\) and 1 cl"),
        ({b"data": np.zeros((1, 3072), "float32"), b"labels": [1]}, "an array of <f4"),
        ({b"data": np.array([["x"]], object), b"labels": [1]}, "an array of O8"),
        ({b"data": np.zeros((1, 3072), "int32"), b"labels": [1]}, r"got int32 \(1, 3072\)"),
        ({b"data": np.zeros((1, 768), "uint8"), b"labels": [1]}, r"got uint8 \(1, 768\)"),
        ({b"data": np.zeros((1, 3072), "uint8"), b"labels": [10]}, "from 0 to 9, got 10 to 10"),
        ({b"data": np.zeros((0, 3072), "uint8"), b"labels": []}, "and 0 classes"),
        ([1, 2], "AttributeError"),
    ],
)
def test_other_content_is_refused_in_one_line(tmp_path, batch, message):
    write(tmp_path, "", python)
    (tmp_path / "data_batch_3").write_bytes(pickle.dumps(batch))
    with pytest.raises(DataError, match=f"data_batch_3 .*{message}") as refused:
        images.cifar10(root=str(tmp_path), **KEYS)
    assert "\n" not in str(refused.value)


def test_a_text_in_another_encoding_is_refused(tmp_path):
    write(tmp_path, "", lambda part: python(part).replace(b"latin1", b"cp1252"))
    with pytest.raises(DataError, match=r"data_batch_1 is not a batch .*: a text in cp1252\)"):
        images.cifar10(root=str(tmp_path), **KEYS)


@pytest.mark.parametrize("suffix", ["", ".bin"])
def test_a_damaged_file_is_refused(tmp_path, suffix):
    content = python if suffix == "" else binary
    write(tmp_path, suffix, content)
    file = tmp_path / f"data_batch_2{suffix}"
    for damaged in (b"", content("data_batch_2")[:-7], b"\x80\x04garbage"):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match=f"data_batch_2{suffix} "):
            images.cifar10(root=str(tmp_path), **KEYS)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"dataset\.root must hold the files of CIFAR-10"):
        images.cifar10(root=str(tmp_path), **KEYS)
    write(tmp_path, ".bin", binary)
    (tmp_path / "data_batch_4.bin").unlink()
    with pytest.raises(DataError, match=r"only some files of CIFAR-10; add data_batch_4\.bin$"):
        images.cifar10(root=str(tmp_path), **KEYS)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"no archive")
    for part in cifar.PARTS:
        (tmp_path / f"{part}.bin").unlink(missing_ok=True)
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz cannot be read"):
        images.cifar10(root=str(tmp_path), **KEYS)
