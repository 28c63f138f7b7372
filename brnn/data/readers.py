"""Readers of data files: IDX, .npz, text and WAV, checked; nothing here loads a pickle."""

import gzip
import hashlib
import wave
import zipfile
import zlib
from pathlib import Path

import numpy as np


def existing(path, what) -> Path:
    """`path` as the Path of a file."""
    if path is None:
        raise ValueError(f"dataset.path must name {what}, got null")
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"dataset.path must name {what}, got {path}, which is no file")
    return file


def read_idx(folder, checksums) -> list[np.ndarray] | None:
    """The arrays in the IDX files `folder`/name (.gz or not) for each name in `checksums`; None if there are none.

    `checksums` maps names to the SHA-256 of the unpacked file.
    """
    folder = Path(folder).expanduser()
    paths = {
        name: path
        for name in checksums
        for path in (folder / f"{name}.gz", folder / name)
        if path.is_file()
    }
    if not paths:
        return None
    if missing := sorted(checksums.keys() - paths.keys()):
        raise FileNotFoundError(f"{folder} has some of the IDX files; add {', '.join(missing)}")
    return [_unpack(paths[name], checksum) for name, checksum in checksums.items()]


def read_npz(path) -> dict[str, np.ndarray]:
    """The arrays x, y and perhaps x_test, y_test of an .npz file: x (n, ...) uint8 or float in [0, 1], y (n,) whole."""
    file = existing(path, "an .npz file with the arrays x and y")
    if not zipfile.is_zipfile(file):
        raise ValueError(
            f"{file} is no .npz file: write it with numpy.savez_compressed(path, x=x, y=y)"
        )
    try:
        with np.load(file, allow_pickle=False) as archive:
            found = {name: np.asarray(archive[name]) for name in archive.files}
    except (
        Exception
    ) as error:  # numpy, zipfile and their parsers raise whatever damage leads them to
        raise ValueError(
            f"{file} cannot be read ({_one_line(error)}): write plain arrays with numpy.savez_compressed"
        ) from error
    if found.keys() not in ({"x", "y"}, {"x", "y", "x_test", "y_test"}):
        raise ValueError(
            f"{file} must hold x, y or x, y, x_test, y_test; it holds {', '.join(found) or 'nothing'}"
        )
    for test in ("", "_test") if "x_test" in found else ("",):
        _check_inputs(found["x" + test], f"{file}: x{test}")
        _check_labels(found["y" + test], len(found["x" + test]), f"{file}: y{test}")
    if "x_test" in found and found["x"].shape[1:] != found["x_test"].shape[1:]:
        shapes = f"{found['x'].shape[1:]} and {found['x_test'].shape[1:]}"
        raise ValueError(f"{file}: the rows of x and of x_test must have one shape, got {shapes}")
    return found


def read_text(file) -> tuple[str, np.ndarray]:
    """The sorted characters of a text in UTF-8, and the text as int32 indices into them."""
    try:
        content = file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file} must be text in UTF-8, but byte {error.start} is not ({error.reason})"
        ) from error
    codes, stream = np.unique(
        np.frombuffer(content.encode("utf-32-le"), "<u4"), return_inverse=True
    )
    if len(codes) < 2:
        raise ValueError(f"{file} must have at least 2 different characters, got {len(codes)}")
    return "".join(map(chr, codes)), stream.astype(np.int32)


def read_wav(file, samples) -> np.ndarray:
    """The first `samples` values of a WAV file, in its own unit around 0; the mean of its channels."""
    try:
        with wave.open(str(file), "rb") as sound:
            channels, width, content = (
                sound.getnchannels(),
                sound.getsampwidth(),
                sound.readframes(samples),
            )
    except Exception as error:  # wave raises what damage leads it to
        raise ValueError(
            f"{file} must be a PCM WAV file of 8 or 16 bits ({_one_line(error)}): convert it"
        ) from error
    if width > 2:
        raise ValueError(
            f"{file} must be a PCM WAV file of 8 or 16 bits, got {8 * width}: convert it"
        )
    if len(content) < samples * channels * width:
        there = len(content) // (channels * width)
        raise ValueError(
            f"{file} has {there} samples, too few for the {samples} of dataset.samples"
        )
    values = (
        np.frombuffer(content, "<i2") if width == 2 else np.frombuffer(content, np.uint8) - 128.0
    )
    values = values.reshape(samples, channels).mean(axis=1)
    if not values.any():
        raise ValueError(f"{file} must have a sound in its first {samples} samples, got silence")
    return values


def _unpack(path, checksum):
    """The bytes in an IDX file: after 2 zeros, a type and the rank, its dimensions (big-endian) and values."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read ({error}): get the file again") from error
    if hashlib.sha256(content).hexdigest() != checksum:
        raise ValueError(
            f"{path} is not the original file: get it again; data of your own go into dataset=arrays"
        )
    rank = content[3]
    shape = np.frombuffer(content, ">u4", rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _one_line(error):
    return " ".join(str(error).split()) or type(error).__name__


def _check_inputs(x, name):
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"{name} must have shape (n, ...) and values, got shape {x.shape}")
    if x.dtype == np.uint8:
        if x.max() == 1:
            raise ValueError(
                f"{name} is uint8, to be divided by 255, but has only 0 and 1: save it as float32"
            )
    elif x.dtype.kind != "f":
        raise ValueError(f"{name} must be uint8 (0 to 255) or float (0 to 1), got {x.dtype}")
    elif not ((x >= 0) & (x <= 1)).all():
        raise ValueError(
            f"{name} must be finite and in [0, 1], got values from {x.min()} to {x.max()}"
        )


def _check_labels(y, rows, name):
    if y.shape != (rows,):
        raise ValueError(
            f"{name} must have one label for each of {rows} rows, shape ({rows},), got {y.shape}"
        )
    if y.dtype.kind not in "buif":
        raise ValueError(f"{name} must hold whole numbers from 0, got {y.dtype}")
    valid = (y >= 0) & (y < 2**16) & (y == np.floor(y))
    if not valid.all():
        raise ValueError(f"{name} must hold whole numbers from 0 to 65535, got {y[~valid][0]}")
