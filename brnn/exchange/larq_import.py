"""Nets that come as `.h5` files of Larq 0.14: read by their arrays and JSON, without Larq.

References:
    Geiger and Team 2020, doi:10.21105/joss.01746 (Larq).
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from brnn.errors import DataError
from brnn.exchange.incoming import SIGN, Incoming, Part
from brnn.exchange.window import Pads, Window, same_pads

SIGNS = ("ste_sign", "approx_sign", "swish_sign")  # forward they are one
SCALED_SIGN, TERNARY = "magnitude_aware_sign", "ste_tern"
SHAPING = ("InputLayer", "Flatten", "Dropout")
DENSE = ("Dense", "QuantDense")
CONVOLUTIONS = ("Conv2D", "QuantConv2D")
DEPTHWISE = ("DepthwiseConv2D", "QuantDepthwiseConv2D")


def read_larq(path: Path, low: float, high: float) -> Incoming:
    """Return the net of a file that Larq's `model.save("net.h5")` wrote.

    A depthwise convolution becomes a convolution with zeros between its channels.

    Args:
        path: of the file.
        low: what the net takes for a black pixel.
        high: what it takes for a white one.

    Raises:
        DataError: it cannot be read, or has a layer or quantizer that is not supported.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            config = json.loads(file.attrs["model_config"])["config"]
            layers = config["layers"] if isinstance(config, dict) else config
            weights = {layer["config"]["name"]: _weights(file, layer) for layer in layers}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path} is not a complete .h5 file of a Keras model: {error}") from error
    reader = _Reader(_input_shape(layers), weights, low, high)
    for layer in layers:
        _check_chain(layer)
        reader.take(layer["class_name"], layer["config"])
    if not reader.parts:
        raise DataError(f"{path}: the net has no layer with weights")
    return Incoming(reader.shape, tuple(reader.parts), **reader.inputs)


def _weights(file: Any, layer: dict) -> dict[str, np.ndarray]:
    """Return the arrays of a layer by the last word of their names."""
    group = file["model_weights"].get(layer["config"]["name"])
    if group is None:
        return {}
    names = [
        name if isinstance(name, str) else name.decode() for name in group.attrs["weight_names"]
    ]
    return {
        name.rpartition("/")[2].partition(":")[0]: np.asarray(group[name], "float64")
        for name in names
    }


def _input_shape(layers: list[dict]) -> tuple[int, ...]:
    config = layers[0]["config"]
    shape = config.get("batch_input_shape") or config.get("batch_shape")
    if not shape or not all(shape[1:]):
        raise DataError(f"{config['name']}: the net must state the shape of its input")
    return tuple(shape[1:])


def _check_chain(layer: dict) -> None:
    """Check that a layer of a functional net has one input.

    Raises:
        DataError: it has several, or is called several times.
    """
    nodes = layer.get("inbound_nodes", [])
    if len(nodes) > 1 or (nodes and len(nodes[0]) > 1):
        raise DataError(f"{layer['config']['name']}: only chains of layers are read")


class _Reader:
    """The layers that have been read."""

    def __init__(self, shape: tuple[int, ...], weights: dict, low: float, high: float):
        self.shape = shape
        self.weights = weights
        self.parts: list[Part] = []
        self.inputs: dict[str, Any] = {}
        self.low, self.high = low, high
        self.size = shape  # of the map behind the last layer

    def take(self, kind: str, config: dict) -> None:
        """Add a layer.

        Raises:
            DataError: it is not supported.
        """
        if kind in (*DENSE, *CONVOLUTIONS, *DEPTHWISE):
            return self._takes_weights(kind, config)
        if kind == "BatchNormalization" and self.parts:
            return self._normalizes(config)
        if kind == "MaxPooling2D" and self.parts:
            return self._pools(config)
        if kind == "Activation":
            return self._activates(config["name"], config["activation"])
        if kind not in SHAPING:
            raise DataError(f"{config['name']} ({kind}): the layer is not supported")
        return None

    def _takes_weights(self, kind: str, config: dict) -> None:
        name = config["name"]
        values = self.weights[name]
        self._activates(name, config.get("input_quantizer"))
        kernel = values.get("kernel", values.get("depthwise_kernel"))
        if kernel is None:
            raise DataError(f"{name} ({kind}): it has no kernel")
        quantizer = config.get("kernel_quantizer") or config.get("depthwise_quantizer")
        kernel = _quantized(name, quantizer, kernel)
        kernel = _spread(kernel) if kind in DEPTHWISE else kernel
        window = Window() if kind in DENSE else self._window(name, config, kernel)
        units = kernel.shape[-1]
        multiplier, shift = np.ones(units), np.zeros(units)
        if not self.parts and not self.inputs:
            if window.padded and self.low:
                raise DataError(f"{name}: pads of inputs that do not begin at 0")
            multiplier *= self.high - self.low
            shift += self.low * kernel.reshape(-1, units).sum(axis=0)
        elif self.parts and self.parts[-1].quantizer is None:
            raise DataError(f"{name}: its inputs are real numbers; only nets of levels are read")
        part = Part(name, kernel, multiplier, shift + values.get("bias", 0.0), None, window)
        self.parts.append(part)
        self._activates(name, config.get("activation"))

    def _window(self, name: str, config: dict, kernel: np.ndarray) -> Window:
        strides = tuple(config["strides"])
        plain = config.get("groups", 1) == 1 and set(config.get("dilation_rate", [1])) == {1}
        if not plain or config.get("data_format") != "channels_last":
            raise DataError(f"{name}: groups, dilations and channels first are not supported")
        if config.get("padding") != "same":
            pads: Pads = ((0, 0), (0, 0))
        elif config.get("pad_values", 0.0):
            raise DataError(f"{name}: pads of other values than 0 are not supported")
        else:
            rows, columns = (
                same_pads(*sizes)
                for sizes in zip(self.size[:2], kernel.shape[:2], strides, strict=True)
            )
            pads = rows, columns
        sizes = [
            (self.size[axis] + sum(pads[axis]) - kernel.shape[axis]) // strides[axis] + 1
            for axis in (0, 1)
        ]
        self.size = (*sizes, kernel.shape[-1])
        return Window(pads, 0.0, strides)

    def _normalizes(self, config: dict) -> None:
        part, values = self.parts[-1], self.weights[config["name"]]
        factor = values.get("gamma", 1.0) / np.sqrt(values["moving_variance"] + config["epsilon"])
        if part.quantizer:
            raise DataError(f"{config['name']}: normalization of levels is not supported")
        shift = (part.shift - values["moving_mean"]) * factor + values.get("beta", 0.0)
        self.parts[-1] = replace(part, multiplier=part.multiplier * factor, shift=shift)

    def _pools(self, config: dict) -> None:
        part = self.parts[-1]
        size, other = config["pool_size"]
        if size != other or list(config["strides"]) != [size, size] or config["padding"] != "valid":
            raise DataError(f"{config['name']}: only square windows beside each other are pooled")
        if part.window.pool > 1 or (part.quantizer is None and (part.multiplier < 0).any()):
            raise DataError(f"{config['name']}: pooling of pooled values, or of falling ones")
        window = replace(part.window, pool=size, pool_first=part.quantizer is None)
        self.parts[-1] = replace(part, window=window)
        self.size = (self.size[0] // size, self.size[1] // size, self.size[2])

    def _activates(self, name: str, quantizer: Any) -> None:
        kind = _kind(quantizer)
        if kind in ("linear", "softmax"):
            return
        if kind not in SIGNS:
            raise DataError(f"{name}: the quantizer or activation {kind} is not supported")
        if self.parts:
            self.parts[-1] = replace(self.parts[-1], quantizer=SIGN)
        else:
            scale = {"scale": self.high - self.low, "offset": self.low}
            self.inputs = scale | {"quantizer": SIGN}


def _kind(quantizer: Any) -> str:
    """Return the name of a quantizer or an activation, in the form of Larq's functions."""
    if quantizer is None:
        return "linear"
    name = quantizer["class_name"] if isinstance(quantizer, dict) else str(quantizer)
    words = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    return words.strip("_")


def _quantized(name: str, quantizer: Any, kernel: np.ndarray) -> np.ndarray:
    """Return the levels of a latent kernel."""
    kind = _kind(quantizer)
    if kind == "linear":
        return kernel
    signs = np.where(kernel >= 0, 1.0, -1.0)
    if kind in SIGNS:
        return signs
    if kind == SCALED_SIGN:
        return signs * np.abs(kernel).mean(axis=tuple(range(kernel.ndim - 1)))
    config = quantizer.get("config", {}) if isinstance(quantizer, dict) else {}
    if kind == TERNARY and not config.get("ternary_weight_networks"):
        return np.where(np.abs(kernel) > config.get("threshold_value", 0.05), signs, 0.0)
    raise DataError(f"{name}: the quantizer {kind} of kernels is not supported")


def _spread(kernel: np.ndarray) -> np.ndarray:
    """Return a depthwise kernel (y, x, c, k) as one of a convolution (y, x, c, c k)."""
    rows, columns, channels, times = kernel.shape
    result = np.zeros((rows, columns, channels, channels, times))
    index = np.arange(channels)
    result[:, :, index, index] = kernel
    return result.reshape(rows, columns, channels, channels * times)
