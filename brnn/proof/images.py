"""Images in files: arrays of NumPy, and pictures such as PNG."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from brnn.errors import DataError

ARRAYS = (".npy",)
COLOURS = 3


def read(path: Path, wanted: tuple[int, ...]) -> np.ndarray:
    """Return the pixels (k,) of an image, in the order of a net's input.

    A picture has grey levels from 0 to 255; it is read in colour where the last or the first axis
    of the shape has three channels.

    Args:
        path: an array (.npy) or a picture.
        wanted: the shape of the net's input.

    Raises:
        DataError: the file cannot be read, or has another number of pixels.
    """
    colour = len(wanted) == 3 and COLOURS in (wanted[0], wanted[-1])
    pixels = _array(path) if path.suffix in ARRAYS else _picture(path, "RGB" if colour else "L")
    if colour and wanted[-1] != COLOURS and path.suffix not in ARRAYS:
        pixels = pixels.transpose(2, 0, 1)
    if pixels.size != np.prod(wanted):
        raise DataError(
            f"{path} has {pixels.size:,} values, the net takes {int(np.prod(wanted)):,}: {wanted}"
        )
    return pixels.astype("float64").ravel()


def _array(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError, AttributeError, BadZipFile) as error:
        raise DataError(f"{path} is not an array of NumPy (.npy): {error}") from error


def _picture(path: Path, mode: str) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert(mode))
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"{path} is neither an array (.npy) nor a picture: {error}") from error
