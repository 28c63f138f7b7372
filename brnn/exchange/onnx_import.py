"""Nets that come as files of ONNX or QONNX.

References:
    Pappalardo et al. 2022, arXiv:2206.07527 (QONNX).
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from brnn.errors import DataError
from brnn.exchange import onnx_file
from brnn.exchange.incoming import Incoming, Part
from brnn.exchange.net import LARGEST_BYTE
from brnn.exchange.onnx_flow import Flow, levels_of
from brnn.exchange.onnx_functions import ELEMENTWISE, rearranged
from brnn.exchange.quant import QUANTS
from brnn.exchange.window import Window

QUANTIZERS = ("BipolarQuant", *QUANTS)  # nodes of QONNX that constants have too
MOST_CHANNELS = 4  # of an image whose first axis is that of the channels


def read_onnx(path: Path, low: float, high: float) -> Incoming:
    """Return the net of a file.

    Args:
        path: of the file.
        low: what the net takes for a black pixel.
        high: what it takes for a white one; 255 where it takes bytes.

    Raises:
        ConfigError: the package onnx is not installed.
        DataError: a node that is not supported; the message names it.
    """
    return _Reader(onnx_file.load(path, "brnn import", "onnx"), low, high).net()


class _Reader:
    """The tensors of a graph by their names, and the layers behind those that are read."""

    def __init__(self, model: Any, low: float, high: float):
        from onnx import numpy_helper

        self.model, self.graph = model, model.graph
        self.parts: list[Part] = []
        self.inputs: dict[str, Any] = {}  # keys of the net
        self.values: dict[str, Any] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in self.graph.initializer
        }
        image, sizes = onnx_file.image_input(self.graph)
        if image.type.tensor_type.elem_type in onnx_file.INTEGERS:
            low, high = 0, LARGEST_BYTE
        self.shape, order = _channels_last(sizes)
        self.values[image.name] = Flow(order, np.array([high - low]), np.array([low]))

    def net(self) -> Incoming:
        nodes, output = onnx_file.before_softmax(self.graph)
        for name, node in nodes:
            self.values[node.output[0]] = self._result(node, name)
        logits = self.values.get(output)
        if not isinstance(logits, Flow) or logits.function or not self.parts:
            raise DataError("the output of the net is not the logits of a layer")
        self._finish(logits, None)
        return Incoming(self.shape, tuple(self.parts), **self.inputs)

    def _result(self, node: Any, name: str) -> Any:
        missing = [i for i in node.input if i and i not in self.values]
        if missing:
            raise DataError(f"{name}: its input {missing[0]} is of no node before it")
        inputs: list[Any] = [self.values[i] if i else None for i in node.input]
        if node.op_type == "Shape" and isinstance(inputs[0], Flow):
            return np.array(inputs[0].order.shape)
        attributes = onnx_file.attributes(node)
        if not any(isinstance(value, Flow) for value in inputs):
            if node.op_type in QUANTIZERS:
                return ELEMENTWISE[node.op_type](name, attributes, *inputs)
            return onnx_file.constant(self.model, node, name, inputs)
        if node.op_type in PRODUCTS:
            return PRODUCTS[node.op_type](self, name, attributes, *inputs)
        if node.op_type == "MaxPool":
            return self.pooled(name, attributes, inputs[0])
        if node.op_type in ELEMENTWISE:
            return ELEMENTWISE[node.op_type](name, attributes, *inputs)
        return rearranged(node.op_type, name, attributes, inputs)

    def add(
        self, name: str, flow: Flow, kernel: np.ndarray, bias: Any, window: Window
    ) -> np.ndarray:
        """Add a layer of the inputs `flow`, and return its units in their order."""
        middle, distance = np.zeros(1), np.ones(1)
        if flow.function is None and self.parts:
            raise DataError(f"{name}: its inputs are real numbers; only nets of levels are read")
        if flow.function is None:
            middle, distance = flow.shift, flow.multiplier
        else:
            levels = levels_of(name, flow)
            self._finish(levels.flow, levels.quantizer)
            middle, distance = np.array([levels.middle]), np.array([levels.distance])
        window = replace(window, pad_value=float((0 - middle[0]) / distance[0]))
        sums = kernel.reshape(-1, kernel.shape[-1]).sum(axis=0)
        shift = middle * sums + (0.0 if bias is None else _array(name, bias).ravel())
        units = kernel.shape[-1]
        self.parts.append(
            Part(
                f"layer_{len(self.parts)}",
                kernel,
                distance * np.ones(units),
                shift + np.zeros(units),
                None,
                window,
            )
        )
        return np.arange(units)

    def flow_of(self, order: np.ndarray) -> Flow:
        """Return the sums of the last layer."""
        part = self.parts[-1]
        return Flow(order, part.multiplier, part.shift)

    def _finish(self, flow: Flow, quantizer: str | None) -> None:
        """Set what follows the sums of the last layer, or the inputs."""
        if self.parts:
            self.parts[-1] = replace(
                self.parts[-1], multiplier=flow.multiplier, shift=flow.shift, quantizer=quantizer
            )
        else:
            keys = {"scale": float(flow.multiplier[0]), "offset": float(flow.shift[0])}
            self.inputs = keys | {"quantizer": quantizer}

    def pooled(self, name: str, attributes: dict[str, Any], flow: Flow) -> Flow:
        """Return the maximum over windows, which are next to each other."""
        size = list(attributes["kernel_shape"])
        plain = size == list(attributes.get("strides", [1, 1])) and len(set(size)) == 1
        if not plain or any(attributes.get("pads", [])) or attributes.get("ceil_mode", 0):
            raise DataError(f"{name}: only square windows beside each other are pooled")
        if not self.parts or self.parts[-1].window.pool > 1:
            raise DataError(f"{name}: pooling of inputs, or of pooled values")
        part = replace(self.parts[-1], multiplier=flow.multiplier)
        self.parts[-1] = part = part.pooled(size[0], flow.direction)
        _, channels, height, width = flow.order.shape
        order = _map(height // size[0], width // size[0], channels)
        return replace(flow, order=order, multiplier=part.multiplier)


def _array(name: str, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise DataError(f"{name}: its weights are not constant")
    if not np.isfinite(value).all():
        raise DataError(f"{name}: its weights must be finite")
    return value.astype("float64")


def _map(height: int, width: int, channels: int) -> np.ndarray:
    """Return the order (1, c, h, w) of a map whose positions are those of (h, w, c)."""
    return (
        np.arange(height * width * channels)
        .reshape(1, height, width, channels)
        .transpose(0, 3, 1, 2)
    )


def _channels_last(sizes: tuple[int, ...]) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the shape of an image, channels last, and the order of its elements."""
    if len(sizes) == 3 and sizes[0] <= MOST_CHANNELS < sizes[1]:
        channels, height, width = sizes
        return (height, width, channels), _map(height, width, channels)
    return sizes, np.arange(int(np.prod(sizes))).reshape(1, *sizes)


def _product(reader: _Reader, name: str, flow: Any, weights: Any, bias: Any = None) -> Flow:
    weights = _array(name, weights)
    if not isinstance(flow, Flow) or flow.order.ndim != 2 or flow.order.shape[1] != len(weights):
        raise DataError(f"{name}: its input is not a row of {len(weights)} elements")
    kernel = np.empty_like(weights)
    kernel[flow.order[0]] = weights
    return reader.flow_of(reader.add(name, flow, kernel, bias, Window())[None])


def _matmul(reader: _Reader, name: str, _: dict, flow: Any, weights: Any) -> Flow:
    return _product(reader, name, flow, weights)


def _gemm(reader: _Reader, name: str, attributes: dict, flow: Any, *others: Any) -> Flow:
    keys = [attributes.get(key, 1.0) for key in ("alpha", "beta")]
    if keys != [1.0, 1.0] or attributes.get("transA", 0):
        raise DataError(f"{name}: Gemm with alpha, beta or transA is not supported")
    weights, *bias = others
    weights = _array(name, weights)
    return _product(reader, name, flow, weights.T if attributes.get("transB") else weights, *bias)


def _conv(
    reader: _Reader, name: str, attributes: dict, flow: Any, weights: Any, bias: Any = None
) -> Flow:
    kernel = _array(name, weights)
    if not isinstance(flow, Flow) or flow.order.ndim != 4 or kernel.ndim != 4:
        raise DataError(f"{name}: only convolutions of images are supported")
    _, channels, height, width = flow.order.shape
    if attributes.get("group", 1) != 1 or set(attributes.get("dilations", [1])) != {1}:
        raise DataError(f"{name}: groups and dilations are not supported")
    if not np.array_equal(flow.order, _map(height, width, channels)):
        raise DataError(f"{name}: the axes of its input are not channels, rows and columns")
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise DataError(f"{name}: auto_pad is not supported; state pads")
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    down, across = attributes.get("strides", [1, 1])
    window = Window(((top, bottom), (left, right)), 0.0, (down, across))
    reader.add(name, flow, kernel.transpose(2, 3, 1, 0), bias, window)
    rows, columns = window.of_sums((height, width), kernel.shape[2:])
    return reader.flow_of(_map(rows, columns, len(kernel)))


PRODUCTS: dict[str, Callable[..., Flow]] = {"MatMul": _matmul, "Gemm": _gemm, "Conv": _conv}
