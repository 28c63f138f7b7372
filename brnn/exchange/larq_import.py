"""Nets that come as `.h5` files of Larq 0.14: read by their arrays and JSON, without Larq.

References:
    Geiger and Team 2020, doi:10.21105/joss.01746 (Larq).
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from brnn.errors import DataError
from brnn.exchange.incoming import SIGN, TERNARY, Incoming, Part
from brnn.exchange.window import Pads, Window, same_pads

SIGNS = ("ste_sign", "approx_sign", "swish_sign")  # forward they are one
SCALED_SIGN, TERN, HEAVISIDE = "magnitude_aware_sign", "ste_tern", "ste_heaviside"
DOREFA = "do_re_fa"
THRESHOLD = 0.05  # of `ste_tern`
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
        self.distance, self.middle = high - low, low  # of the levels behind the last layer
        self.levels: _Levels | None = None
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
        if _kind(kind) in (*SIGNS, TERN, HEAVISIDE, DOREFA):  # a quantizer as a layer
            return self._activates(config["name"], {"class_name": kind, "config": config})
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
        if self.parts and self.parts[-1].quantizer is None:
            raise DataError(f"{name}: its inputs are real numbers; only nets of levels are read")
        quantizer = config.get("kernel_quantizer") or config.get("depthwise_quantizer")
        kernel = _quantized(name, quantizer, kernel)
        kernel = _spread(kernel) if kind in DEPTHWISE else kernel
        window = Window() if kind in DENSE else self._window(name, config, kernel)
        units = kernel.shape[-1]
        shift = self.middle * kernel.reshape(-1, units).sum(axis=0) + values.get("bias", 0.0)
        self.parts.append(Part(name, kernel, np.full(units, self.distance), shift, None, window))
        self._activates(name, config.get("activation"))

    def _window(self, name: str, config: dict, kernel: np.ndarray) -> Window:
        strides = tuple(config["strides"])
        plain = config.get("groups", 1) == 1 and set(config.get("dilation_rate", [1])) == {1}
        if not plain or config.get("data_format") != "channels_last":
            raise DataError(f"{name}: groups, dilations and channels first are not supported")
        if config.get("padding") != "same":
            pads: Pads = ((0, 0), (0, 0))
        else:
            rows, columns = (
                same_pads(*sizes)
                for sizes in zip(self.size[:2], kernel.shape[:2], strides, strict=True)
            )
            pads = rows, columns
        value = (config.get("pad_values", 0.0) - self.middle) / self.distance
        window = Window(pads, value, strides)
        self.size = (*window.of_sums(self.size, kernel.shape), kernel.shape[-1])
        return window

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
        if part.window.pool > 1:
            raise DataError(f"{config['name']}: pooling of pooled values")
        self.parts[-1] = part.pooled(size, self.distance if part.quantizer else 1.0)
        self.size = (self.size[0] // size, self.size[1] // size, self.size[2])

    def _activates(self, name: str, quantizer: Any) -> None:
        kind = _kind(quantizer)
        if kind in ("linear", "softmax"):
            return
        levels = _levels(name, kind, _config(quantizer))
        if self.parts and self.parts[-1].quantizer:
            if self.levels != levels:
                raise DataError(f"{name}: its inputs are levels of another quantizer than {kind}")
            return
        self.levels = levels
        if self.parts:
            part = self.parts[-1]
            multiplier, shift = part.multiplier * levels.factor, part.shift * levels.factor
            self.parts[-1] = replace(
                part, multiplier=multiplier, shift=shift + levels.offset, quantizer=levels.quantizer
            )
        else:
            scale = self.distance * levels.factor
            offset = self.middle * levels.factor + levels.offset
            self.inputs = {"scale": scale, "offset": offset, "quantizer": levels.quantizer}
        self.distance, self.middle = levels.distance, levels.middle


class _Levels(NamedTuple):
    """The outputs of a quantizer of Larq: distance * quantizer(factor x + offset) + middle."""

    quantizer: str
    factor: float = 1.0
    offset: float = 0.0
    distance: float = 1.0
    middle: float = 0.0


def _levels(name: str, kind: str, config: dict) -> _Levels:
    """Return the levels of activations.

    Raises:
        DataError: they depend on all inputs, or are more than three.
    """
    if kind in SIGNS:
        return _Levels(SIGN)
    if kind == HEAVISIDE:  # 0 at 0: the sign of -x is +1 there
        return _Levels(SIGN, -1.0, 0.0, -0.5, 0.5)
    if kind == DOREFA and config.get("k_bit", 2) == 1:  # 1 above 0.5
        return _Levels(SIGN, -1.0, 0.5, -0.5, 0.5)
    if kind == TERN and not config.get("ternary_weight_networks"):
        return _Levels(TERNARY, 0.5 / config.get("threshold_value", THRESHOLD))
    if kind == DOREFA:
        levels = 2 ** config.get("k_bit", 2)
        raise DataError(f"{name}: {kind} of inputs has {levels} levels; two or three are read")
    raise DataError(f"{name}: the quantizer or activation {kind} of inputs is not supported")


def _kind(quantizer: Any) -> str:
    """Return the name of a quantizer or an activation, in the form of Larq's functions."""
    if quantizer is None:
        return "linear"
    name = quantizer["class_name"] if isinstance(quantizer, dict) else str(quantizer)
    words = "".join(f"_{c.lower()}" if c.isupper() else c for c in name.rpartition(">")[2])
    return words.strip("_")


def _config(quantizer: Any) -> dict:
    return quantizer.get("config", {}) if isinstance(quantizer, dict) else {}


def _quantized(name: str, quantizer: Any, kernel: np.ndarray) -> np.ndarray:
    """Return the levels of a latent kernel."""
    kind, config = _kind(quantizer), _config(quantizer)
    if kind == "linear":
        return kernel
    signs = np.where(kernel >= 0, 1.0, -1.0)
    sizes = np.abs(kernel)
    if kind in SIGNS:
        return signs
    if kind == SCALED_SIGN:
        return signs * sizes.mean(axis=tuple(range(kernel.ndim - 1)))
    if kind == HEAVISIDE:
        return np.where(kernel > 0, 1.0, 0.0)
    if kind == TERN:
        least = np.float32(config.get("threshold_value", THRESHOLD))
        least = 0.7 * sizes.mean() if config.get("ternary_weight_networks") else least
        return np.where(sizes >= least, signs, 0.0)
    if kind == DOREFA and config.get("mode") == "weights":
        limited, steps = np.tanh(kernel), 2 ** config.get("k_bit", 2) - 1
        shares = limited / (2 * (np.abs(limited).max() or 1.0)) + 0.5
        return 2 * np.rint(shares.astype("float32") * steps) / steps - 1
    raise DataError(f"{name}: the quantizer {kind} of kernels is not supported")


def _spread(kernel: np.ndarray) -> np.ndarray:
    """Return a depthwise kernel (y, x, c, k) as one of a convolution (y, x, c, c k)."""
    rows, columns, channels, times = kernel.shape
    result = np.zeros((rows, columns, channels, channels, times))
    index = np.arange(channels)
    result[:, :, index, index] = kernel
    return result.reshape(rows, columns, channels, channels * times)
