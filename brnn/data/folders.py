"""Folders in which the files of a data set are looked for."""

import os
from pathlib import Path

from brnn.errors import DataError

AUTO = "auto"  # value of `dataset.root`: the default folder
VARIABLE = "BRNN_DATA"  # environment variable: the folder of all data sets


def data_folder(root: str, name: str) -> Path:
    """Return the folder of a data set's files.

    A folder that the user names must exist, so that a typing error does not lead to other data.

    Args:
        root: the key `dataset.root`; `auto` for `$BRNN_DATA/name`, or `data/name` where the
            variable is not set. This default may be absent.
        name: of the data set.

    Raises:
        DataError: `root` or `$BRNN_DATA` is not a folder.
    """
    if root != AUTO:
        return _existing(root, "dataset.root")
    parent = os.environ.get(VARIABLE)
    return (_existing(parent, VARIABLE) if parent else Path("data")) / name


def _existing(folder: str, key: str) -> Path:
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise DataError(f"{key} must be a folder that exists, got {folder}")
    return path
