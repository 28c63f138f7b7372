"""Readers of data files: IDX, .npz, text and WAV. All are verified; none loads a pickle."""

import gzip
import hashlib
import wave
import zipfile
import zlib
from pathlib import Path

import numpy as np

from brnn.data.check import checked_inputs, checked_labels
from brnn.data.dataset import Split
from brnn.errors import DataError

TRAIN_NAMES = (("x", "y"), ("x_train", "y_train"))  # in an .npz file; the second as Keras has them
TEST_NAMES = ("x_test", "y_test")
LABELS = 2**16  # at most: a label is below it


def existing_file(path: str | None, kind: str) -> Path:
    """Return a path as that of a file.

    Args:
        path: the key `dataset.path`.
        kind: what the file must be, with its article; for the message.

    Raises:
        DataError: there is no such file.
    """
    if path is None:
        raise DataError(f"dataset.path must name {kind}, got null")
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(f"dataset.path must name {kind}, got {path}, which is not a file")
    return file


def read_idx(folder: Path, checksums: dict[str, str]) -> list[np.ndarray] | None:
    """Return the arrays of some IDX files, or None where the folder has none of them.

    Args:
        folder: it may be absent.
        checksums: the name of each file (without .gz, which it may have) and the SHA-256 of its
            unpacked content.

    Raises:
        DataError: some are missing, cannot be unpacked or are not the original files.
    """
    paths = {
        name: path
        for name in checksums
        for path in (folder / f"{name}.gz", folder / name)
        if path.is_file()
    }
    if not paths:
        return None
    if missing := sorted(checksums.keys() - paths.keys()):
        raise DataError(f"{folder} has only some of the IDX files; add {', '.join(missing)}")
    return [unpack_idx(paths[name], checksum) for name, checksum in checksums.items()]


def unpack_idx(path: Path, checksum: str) -> np.ndarray:
    """Return the uint8 array of an IDX file.

    The file holds 2 zeros, a type, the rank, the dimensions (big-endian) and the values.

    Args:
        path: the file, which is compressed if its name ends in .gz.
        checksum: the SHA-256 of its unpacked content.

    Raises:
        DataError: the file cannot be unpacked, or is not the original.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}): get the file again") from error
    if hashlib.sha256(content).hexdigest() != checksum:
        raise DataError(
            f"{path} is not the original file: get it again; data of your own go into"
            " dataset=arrays"
        )
    rank = content[3]
    shape = np.frombuffer(content, ">u4", rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def read_npz(path: str | None) -> tuple[Split, Split | None]:
    """Return the splits of an .npz file: training and, if the file has one, test.

    The arrays are named x, y or x_train, y_train, and x_test, y_test. x is (n, *d), uint8 or float
    in [0, 1]; y holds whole numbers from 0, (n,), (n, 1) or one-hot, and is returned as (n,).

    Args:
        path: the key `dataset.path`.

    Raises:
        DataError: the file cannot be read, or its arrays are not such data.
    """
    file = existing_file(path, "an .npz file with the arrays x and y")
    arrays = _npz_arrays(file)
    names = next((pair for pair in TRAIN_NAMES if arrays.keys() - {*TEST_NAMES} == {*pair}), None)
    if names is None or len(arrays) == 3:
        raise DataError(
            f"{file} must hold x, y or x_train, y_train, and may hold both x_test, y_test;"
            f" it holds {', '.join(arrays) or 'nothing'}"
        )
    train = _checked_split(file, arrays, *names)
    if len(arrays) == 2:
        return train, None
    test = _checked_split(file, arrays, *TEST_NAMES)
    if train[0].shape[1:] != test[0].shape[1:]:
        shapes = f"{train[0].shape[1:]} and {test[0].shape[1:]}"
        raise DataError(
            f"{file}: the rows of {names[0]} and x_test must have one shape, got {shapes}"
        )
    return train, test


def read_split(file: Path, x_name: str, y_name: str) -> Split:
    """Return two arrays of an .npz file as inputs and labels; its other arrays are ignored.

    Raises:
        DataError: the file cannot be read, has no such arrays, or they are not such data.
    """
    arrays = _npz_arrays(file)
    if missing := sorted({x_name, y_name} - arrays.keys()):
        raise DataError(f"{file} must hold {x_name} and {y_name}, got it without {missing[0]}")
    return _checked_split(file, arrays, x_name, y_name)


def read_text(file: Path) -> tuple[str, np.ndarray]:
    """Return the sorted characters of a text in UTF-8, and the text as int32 indices into them.

    Raises:
        DataError: it is not UTF-8, or has fewer than 2 different characters.
    """
    try:
        content = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} must be text in UTF-8, but byte {error.start} is not ({error.reason})"
        ) from error
    codes, stream = np.unique(
        np.frombuffer(content.encode("utf-32-le"), "<u4"), return_inverse=True
    )
    if len(codes) < 2:
        raise DataError(f"{file} must have at least 2 different characters, got {len(codes)}")
    return "".join(map(chr, codes)), stream.astype(np.int32)


def read_wav(file: Path, samples: int) -> np.ndarray:
    """Return the first samples of a WAV file, (samples,), in its own unit around 0.

    Channels are averaged.

    Raises:
        DataError: it is not PCM of 8 or 16 bits, is too short, or silent.
    """
    try:
        with wave.open(str(file), "rb") as sound:
            channels, width = sound.getnchannels(), sound.getsampwidth()
            content = sound.readframes(samples)
    except Exception as error:  # damaged files make `wave` raise errors of any class
        raise DataError(
            f"{file} must be a PCM WAV file of 8 or 16 bits ({_one_line(error)}): convert it"
        ) from error
    if width > 2:
        raise DataError(
            f"{file} must be a PCM WAV file of 8 or 16 bits, got {8 * width}: convert it"
        )
    if len(content) < samples * channels * width:
        available = len(content) // (channels * width)
        raise DataError(
            f"{file} has {available} samples, too few for the {samples} of dataset.samples"
        )
    values = (
        np.frombuffer(content, "<i2") if width == 2 else np.frombuffer(content, np.uint8) - 128.0
    )
    values = values.reshape(samples, channels).mean(axis=1)
    if not values.any():
        raise DataError(f"{file} must have a sound in its first {samples} samples, got silence")
    return values


def _npz_arrays(file: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file by name."""
    if not zipfile.is_zipfile(file):
        raise DataError(
            f"{file} is not an .npz file: write it with numpy.savez_compressed(path, x=x, y=y)"
        )
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in archive.files}
    except Exception as error:  # damaged files make numpy and zipfile raise errors of any class
        raise DataError(
            f"{file} cannot be read ({_one_line(error)}): write plain arrays with"
            " numpy.savez_compressed"
        ) from error


def _checked_split(file: Path, arrays: dict[str, np.ndarray], x_name: str, y_name: str) -> Split:
    x, y = arrays[x_name], arrays[y_name]
    _check_inputs(x, f"{file}: {x_name}")
    x = checked_inputs(x, f"{file}: {x_name}")
    return x, checked_labels(_whole(y, f"{file}: {y_name}"), x, LABELS, f"{file}: {y_name}")


def _check_inputs(x: np.ndarray, name: str) -> None:
    if x.ndim < 2 or x.size == 0:
        raise DataError(f"{name} must have shape (n, ...) and values, got shape {x.shape}")
    if x.dtype == np.uint8:
        if x.max() == 1:
            raise DataError(
                f"{name} is uint8, to be divided by 255, but has only 0 and 1: save it as float32"
            )
    elif x.dtype.kind != "f":
        raise DataError(f"{name} must be uint8 (0 to 255) or float (0 to 1), got {x.dtype}")
    elif not ((x >= 0) & (x <= 1)).all():
        raise DataError(
            f"{name} must be finite and in [0, 1], got values from {x.min()} to {x.max()}"
        )


def _whole(y: np.ndarray, name: str) -> np.ndarray:
    """Return labels as integers.

    Raises:
        DataError: they are not whole numbers.
    """
    if y.dtype.kind not in "buif":
        raise DataError(f"{name} must hold whole numbers from 0, got {y.dtype}")
    if y.dtype.kind == "f":
        if not (whole := (y == np.floor(y)) & (abs(y) < LABELS)).all():
            raise DataError(
                f"{name} must hold whole numbers from 0 to {LABELS - 1}, got {y[~whole][0]}"
            )
        return y.astype(np.int32)
    return y


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
