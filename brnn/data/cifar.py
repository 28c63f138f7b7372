"""The files of CIFAR-10, in the Python and in the binary version.

Both versions have five files for training and one for test. In the binary version an image is a
byte of its class and 3,072 bytes, the planes of red, green and blue. In the Python version a file
is a pickle of a dictionary with an array of such bytes and a list of classes. It is read by an
unpickler that knows arrays of whole numbers and nothing else, so that no file can run code.
"""

import io
import pickle
import re
import tarfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from brnn.data.dataset import Split
from brnn.errors import DataError

CLASSES, SIDE, CHANNELS = 10, 32, 3
PIXELS = CHANNELS * SIDE * SIDE
PARTS = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
NAMES = {*PARTS, *(f"{part}.bin" for part in PARTS)}
ARCHIVE = "cifar-10-python.tar.gz"
PATHS = (  # in a folder: the files themselves, unpacked archives, Keras' cache, the archives
    "",
    "cifar-10-batches-py",
    "cifar-10-batches-bin",
    "cifar-10-batches-py-target/cifar-10-batches-py",
    ARCHIVE,
    "cifar-10-binary.tar.gz",
)
WHOLE_NUMBERS = re.compile(r"[|<>=]?[ui][1248]")  # types of NumPy


def read_cifar10(folder: Path) -> list[np.ndarray] | None:
    """Return CIFAR-10 as [x, y, x_test, y_test], or None where a folder has none of its files.

    x is uint8 (n, 32, 32, 3), y int32 (n,).

    Args:
        folder: of the files, or of an archive with them; it may be absent.

    Raises:
        DataError: some files are missing, or hold something else.
    """
    for path in PATHS:
        if (folder / path).is_file() or _names_in(folder / path):
            return read_files(folder / path)
    return None


def read_files(path: Path) -> list[np.ndarray]:
    """Return CIFAR-10 as `read_cifar10` does, from the folder or the archive that has its files.

    Raises:
        DataError: some files are missing, or hold something else.
    """
    contents = _contents(path)
    suffix, parse = ("", _python) if contents.keys() & {*PARTS} else (".bin", _binary)
    names = [f"{part}{suffix}" for part in PARTS]
    if missing := [name for name in names if name not in contents]:
        raise DataError(f"{path} has only some files of CIFAR-10; add {', '.join(missing)}")
    *train, test = (_images(path / name, *parse(path / name, contents[name])) for name in names)
    return [*map(np.concatenate, zip(*train, strict=True)), *test]


def _names_in(folder: Path) -> list[str]:
    return [name for name in NAMES if (folder / name).is_file()]


def _contents(path: Path) -> dict[str, bytes]:
    """Return the files of CIFAR-10 in a folder or an archive, by name."""
    try:
        if path.is_dir():
            return {name: (path / name).read_bytes() for name in _names_in(path)}
        with tarfile.open(path) as archive:
            members = {Path(m.name).name: m for m in archive.getmembers() if m.isfile()}
            opened = {name: archive.extractfile(members[name]) for name in NAMES & members.keys()}
            return {name: file.read() for name, file in opened.items() if file}
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DataError(f"{path} cannot be read ({error}): get it again") from error


def _images(file: Path, rows: np.ndarray, y: np.ndarray) -> Split:
    """Return rows of planes (n, 3072) as images, and their classes."""
    if rows.dtype != np.uint8 or rows.shape != (len(y), PIXELS) or not len(y):
        raise DataError(
            f"{file} must hold images of {PIXELS} bytes with a class each, got {rows.dtype}"
            f" {rows.shape} and {len(y)} classes"
        )
    if not ((y >= 0) & (y < CLASSES)).all():
        raise DataError(
            f"{file} must hold classes from 0 to {CLASSES - 1}, got {y.min()} to {y.max()}"
        )
    planes = rows.reshape(-1, CHANNELS, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), y.astype("int32")


def _binary(file: Path, content: bytes) -> Split:
    if len(content) % (1 + PIXELS):
        raise DataError(
            f"{file} must have {1 + PIXELS} bytes for each image, got {len(content)}: get it again"
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, 1 + PIXELS)
    return rows[:, 1:], rows[:, 0]


def _python(file: Path, content: bytes) -> Split:
    try:
        batch = {_text(key): value for key, value in _Unpickler(io.BytesIO(content)).load().items()}
        return batch["data"].values(), np.array(batch["labels"], "int64")
    except Exception as error:  # damaged files make pickle raise errors of any class
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"{file} is not a batch of CIFAR-10 ({reason}): get it again") from error


class _Unpickler(pickle.Unpickler):
    """Reads dictionaries, lists, numbers, texts, and NumPy arrays of whole numbers."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file, encoding="bytes")  # of Python 2

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Type,
            ("numpy.core.multiarray", "_reconstruct"): _Array,
            ("numpy._core.multiarray", "_reconstruct"): _Array,
            ("_codecs", "encode"): _encoded,
        }
        if (module, name) not in known:
            raise DataError(f"it names {module}.{name}")
        return known[module, name]


class _Type:
    """The type of the numbers of an array: its name, and the order of its bytes."""

    def __init__(self, name: str | bytes, *_: Any):
        self.name = _text(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = _text(state[1]).replace("|", "")


class _Array:
    """An array as its pickle states it."""

    def __init__(self, *_: Any):
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def values(self) -> np.ndarray:
        """Return the array.

        Raises:
            DataError: it does not hold whole numbers.
        """
        _, shape, kind, by_columns, content = self.state
        name = kind.order + kind.name
        if not WHOLE_NUMBERS.fullmatch(name):
            raise DataError(f"an array of {name}")
        order: Literal["F", "C"] = "F" if by_columns else "C"
        return np.frombuffer(content, name).reshape(shape, order=order)


def _encoded(text: str, encoding: str) -> bytes:
    """Return bytes, which Python 3 writes as a text of Latin-1 in old pickles.

    Raises:
        DataError: the encoding is another one.
    """
    if encoding != "latin1":
        raise DataError(f"a text in {encoding}")
    return text.encode(encoding)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
