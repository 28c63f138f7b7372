"""Loading the data set of a configuration, once per process."""

import hashlib
import json
from functools import lru_cache
from typing import Any

import numpy as np

from brnn.config import groups
from brnn.config.check_data import check_data
from brnn.data.check import checked, warn_of_unusual
from brnn.data.dataset import Data


def load_checked(options: dict[str, Any]) -> tuple[Data, str]:
    """Return the data of a configuration and their digest, checked against its other options.

    Raises:
        DataError: the data cannot be read, or no net could be trained on them.
        ConfigError: they do not serve the configuration.
    """
    data, data_digest = load(json.dumps(options["dataset"]), tuple(options["plugins"]))
    check_data(options, data)
    return data, data_digest


@lru_cache(maxsize=2)
def load(option: str, plugins: tuple[str, ...]) -> tuple[Data, str]:
    """Return the checked data of an option of the group `dataset` and their digest.

    Args:
        option: the keys of the option, as JSON.
        plugins: packages whose functions may be named with dots.

    Raises:
        DataError: the data cannot be read, or no net could be trained on them.
    """
    data = checked(groups.function("dataset", json.loads(option), list(plugins))())
    warn_of_unusual(data)
    return data, digest(data)


def digest(data: Data) -> str:
    """Return a SHA-256 of the arrays of all splits, the number of classes and the alphabet."""
    total = hashlib.sha256(f"{data.classes} {data.tokens}".encode())
    for array in (*data.train, *data.validation, *data.test):
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return total.hexdigest()
