"""Archives of the format `levels` of `brnn export` as nets of a property."""

from pathlib import Path
from typing import Any

import numpy as np

from brnn.errors import DataError
from brnn.exchange import levels_reader
from brnn.exchange.codes import layers_of
from brnn.proof import operators, pooling
from brnn.proof.flows import Flow, Pieces, pixels
from brnn.proof.integer_net import IntegerNet
from brnn.proof.tensors import Tensors


class LevelsNet:
    """A net as the reader of its format computes it; see `brnn.proof.subjects.Subject`.

    Args:
        path: of the archive.
        arrays: its arrays.

    Raises:
        DataError: the archive is damaged.
    """

    def __init__(self, path: Path, arrays: dict[str, np.ndarray]):
        self.path, self.arrays, self.name = path, arrays, str(path)
        try:
            self.layers = layers_of(arrays)
            self.shape = tuple(arrays["shape"].tolist())
        except (KeyError, ValueError, IndexError) as error:
            raise DataError(f"{path} is not an archive of format=levels: {error}") from error

    def integers(self, largest: float, whole: bool) -> IntegerNet:
        """Return the net in whole numbers."""
        tensors = Tensors(self.shape, discrete=False)
        flow: Flow = pixels((1, *self.shape), largest, whole, 1.0)
        if "at" in self.arrays:
            flow = _stepped("inputs", flow, self.arrays["at"], self.arrays["values"])
        for number, layer in enumerate(self.layers):
            name = f"layer {number}"
            tensors.values["x"] = flow
            flow = _summed(name, tensors.units("x", name), layer)
            flow = self._finished(name, flow, layer)
        tensors.values["x"] = flow
        return tensors.net("x")

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of images."""
        return np.asarray(levels_reader.logits(self.path, images), "float32")

    def outputs(self, images: np.ndarray) -> np.ndarray:
        """Return the outputs of the net, which are its logits."""
        return self.logits(images)

    def _finished(self, name: str, flow: Flow, layer: dict[str, Any]) -> Flow:
        """Return what follows the sums of a layer."""
        if "scale" in layer:
            flow = operators.arithmetic(name, "Mul", flow, layer["scale"])
            for operator, key in (("Add", "bias"), ("Mul", "multiplier"), ("Add", "shift")):
                flow = operators.arithmetic(name, operator, flow, layer[key])
        if "at" in layer:
            flow = _stepped(name, flow, layer["at"], layer["values"])
        elif (activation := str(layer.get("activation", "linear"))) != "linear":
            raise DataError(
                f"{self.path}, {name}: the activation {activation} is not supported; signs are"
            )
        return _pooled(name, flow, int(layer.get("pool", 1)), layer.get("falling", np.bool_(False)))


def is_levels(arrays: dict[str, np.ndarray]) -> bool:
    """Return whether these are the arrays of an archive of the format."""
    return {"layers", "0/kernel", "0/shape"} <= set(arrays)


def _summed(name: str, flow: Flow, layer: dict[str, Any]) -> Flow:
    kernel = layer["kernel"]
    if kernel.ndim == 2:
        row = operators.rearranged(flow, lambda order: order.reshape(1, -1))
        return operators.matrix(name, row, kernel)
    *pads, strides = layer["window"]
    padded = operators.pad(name, flow, np.array(pads), float(layer.get("pad", 0)))
    attributes = {"strides": strides.tolist()}
    taps = kernel.transpose(3, 2, 0, 1)
    return operators.on_channels(operators.convolution, name, attributes, padded, taps)


def _stepped(name: str, flow: Flow, at: np.ndarray, values: Any) -> Pieces:
    """Return a value by the number of thresholds, or rows of thresholds, that a tensor reaches."""
    reached = [operators.comparison(name, "GreaterOrEqual", flow, edge) for edge in at]
    count: Any = reached[0].mapped(lambda reaches: reaches.astype("int64"))
    for further in reached[1:]:
        count = operators.arithmetic(name, "Add", count, further)
    return count.mapped(lambda number: np.asarray(values, "float64")[number.astype("int64")])


def _pooled(name: str, flow: Flow, size: int, falling: np.ndarray) -> Flow:
    """Return the largest output of each window, or of falling units the smallest."""
    if size == 1:
        return flow
    sign = np.where(falling, -1.0, 1.0)
    turned = operators.arithmetic(name, "Mul", flow, sign)
    attributes = {"kernel_shape": [size, size], "strides": [size, size]}
    largest = operators.on_channels(pooling.max_pool, name, attributes, turned)
    return operators.arithmetic(name, "Mul", largest, sign)
