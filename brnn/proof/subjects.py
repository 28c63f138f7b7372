"""The nets of a property: as they are run, and as integer nets."""

import zlib
from pathlib import Path
from typing import Protocol
from zipfile import BadZipFile

import numpy as np

from brnn.errors import DataError
from brnn.proof import chainer, levels_net, onnx_reader
from brnn.proof.integer_net import IntegerNet
from brnn.proof.runtime import Runtime
from brnn.terminal import stderr


class Subject(Protocol):
    """A net that takes pixels, in grey levels or another unit.

    Attributes:
        shape: of one input.
        name: for messages.
    """

    name: str
    shape: tuple[int, ...]

    def integers(self, largest: float, whole: bool) -> IntegerNet:
        """Return the net in whole numbers.

        Args:
            largest: bound on the absolute value of a pixel.
            whole: whether pixels are whole numbers only.

        Raises:
            DataError: the net is not supported; the message names the layer.
        """

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits (b, c), before a softmax, of images (b, ...) in float32."""

    def outputs(self, images: np.ndarray) -> np.ndarray:
        """Return the outputs (b, c) of the net."""


class OnnxNet:
    """A net of ONNX in ONNX Runtime; see `Subject`.

    Args:
        name: for messages.
        model: the net.
        divisor: of pixels, which gives the input of the model.
    """

    def __init__(self, name: str, model: onnx_reader.Model, divisor: float):
        self.name, self.model, self.divisor = name, model, divisor
        self.shape = onnx_reader.input_shape(model)
        self.runtime = Runtime(model)

    def integers(self, largest: float, whole: bool) -> IntegerNet:
        """Return the net in whole numbers."""
        return onnx_reader.read(self.model, largest, whole, self.divisor)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of images."""
        return self.runtime.logits(self._input(images))

    def outputs(self, images: np.ndarray) -> np.ndarray:
        """Return the outputs of the net."""
        return self.runtime.outputs(self._input(images))

    def _input(self, images: np.ndarray) -> np.ndarray:
        return images if self.divisor == 1 else images / np.float32(self.divisor)


def load(path: Path, divisor: float, variance_epsilon: float | None) -> Subject:
    """Return the net of a file: `.keras`, `.npz`, or ONNX.

    Args:
        path: the file.
        divisor: of pixels, for nets of Keras and ONNX.
        variance_epsilon: of the batch normalizations of an archive of bnn-verification.

    Raises:
        ConfigError: a package or `variance_epsilon` is missing.
        DataError: the file cannot be read.
    """
    if path.suffix == ".keras":
        return _keras_net(path, divisor)
    if path.suffix != ".npz":
        return OnnxNet(str(path), onnx_reader.load(path), divisor)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (OSError, ValueError, EOFError, KeyError, TypeError, BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is not a complete archive (.npz): {error}") from error
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DataError(f"{path}: the values of {name} must be finite")
    if levels_net.is_levels(arrays):
        return levels_net.LevelsNet(path, arrays)
    return OnnxNet(str(path), chainer.load(path, arrays, variance_epsilon), 1.0)


def _keras_net(path: Path, divisor: float) -> Subject:
    """Return the net of a Keras file; TensorFlow is imported for no other."""
    with stderr.quiet():
        from brnn.exchange.files import read_model
        from brnn.proof.keras_net import KerasNet

        return KerasNet(str(path), read_model(path), divisor)
