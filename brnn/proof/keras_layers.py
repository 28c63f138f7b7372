"""Layers and operations of Keras as functions of tensors that are sums or step functions.

Each function takes the name for messages, the layer (or the arguments of an operation) and its
inputs. Images have their channels last.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from brnn.errors import DataError
from brnn.proof import operators, pooling
from brnn.proof.flows import Flow, Pieces, Sizes, Sums
from brnn.proof.normalization import batch_normalization


def _check_layout(name: str, layer: Any, flow: Flow) -> None:
    if len(flow.shape) != 4 or getattr(layer, "data_format", "channels_last") != "channels_last":
        raise DataError(f"{name}: images must be of shape (height, width, channels)")


def _linear_activation(name: str, layer: Any) -> None:
    if layer.activation is not keras.activations.linear:
        kind = keras.activations.serialize(layer.activation)
        raise DataError(
            f"{name}: its activation {kind} is not supported here; make it a layer of its own"
        )


def _dense(name: str, layer: Any, flow: Flow) -> Flow:
    _linear_activation(name, layer)
    kernel, *bias = layer.get_weights()
    product = operators.matrix(name, flow, kernel)
    return operators.arithmetic(name, "Add", product, bias[0]) if bias else product


def _convolution(name: str, layer: Any, flow: Flow) -> Flow:
    _linear_activation(name, layer)
    _check_layout(name, layer, flow)
    kernel, *bias = layer.get_weights()
    attributes = _windows(layer, layer.strides) | {
        "group": layer.groups,
        "dilations": list(layer.dilation_rate),
    }
    result = operators.on_channels(
        operators.convolution, name, attributes, flow, kernel.transpose(3, 2, 0, 1)
    )
    return operators.arithmetic(name, "Add", result, bias[0]) if bias else result


def _windows(layer: Any, strides: Any) -> dict[str, Any]:
    padding = {"valid": b"VALID", "same": b"SAME_UPPER"}.get(layer.padding)
    if padding is None:
        raise DataError(f"{layer.name}: padding={layer.padding} is not supported")
    return {"strides": list(strides), "auto_pad": padding}


def _normalization(name: str, layer: Any, flow: Flow) -> Flow:
    if layer.axis not in (-1, len(flow.shape) - 1):
        raise DataError(f"{name}: only the last axis can be normalized")
    units = flow.shape[-1]
    mean, variance = (np.asarray(v) for v in (layer.moving_mean, layer.moving_variance))
    gamma = np.asarray(layer.gamma) if layer.scale else np.ones(units, "float32")
    beta = np.asarray(layer.beta) if layer.center else np.zeros(units, "float32")
    arguments = name, {"epsilon": layer.epsilon}, flow, gamma, beta, mean, variance
    if len(flow.shape) == 2:
        return batch_normalization(*arguments)
    _check_layout(name, layer, flow)
    return operators.on_channels(batch_normalization, *arguments)


def _max_pool(name: str, layer: Any, flow: Flow) -> Flow:
    _check_layout(name, layer, flow)
    attributes = _windows(layer, layer.strides) | {"kernel_shape": list(layer.pool_size)}
    return operators.on_channels(pooling.max_pool, name, attributes, flow)


def _average_pool(name: str, layer: Any, flow: Flow) -> Flow:
    _check_layout(name, layer, flow)
    attributes = _windows(layer, layer.strides) | {"kernel_shape": list(layer.pool_size)}
    return operators.on_channels(pooling.average_pool, name, attributes, flow)


def _global_pool(function: Callable) -> Callable:
    def pooled(name: str, layer: Any, flow: Flow) -> Flow:
        _check_layout(name, layer, flow)
        result = operators.on_channels(
            function, name, {"kernel_shape": list(flow.shape[1:3])}, flow
        )
        return operators.rearranged(result, lambda order: order.reshape(1, -1))

    return pooled


def _zero_padding(name: str, layer: Any, flow: Flow) -> Flow:
    _check_layout(name, layer, flow)
    widths = np.array([(0, 0), *layer.padding, (0, 0)])
    return operators.pad(name, flow, widths, 0.0)


def _pad(name: str, config: dict[str, Any], flow: Flow) -> Flow:
    if config["mode"] != "constant":
        raise DataError(f"{name}: mode={config['mode']} is not supported")
    return operators.pad(
        name,
        flow,
        np.array(config["pad_width"]),
        float(np.float32(config["constant_values"] or 0.0)),
    )


def _flatten(name: str, layer: Any, flow: Flow) -> Flow:
    if layer.data_format == "channels_first" and len(flow.shape) > 2:
        raise DataError(f"{name}: data_format=channels_first is not supported")
    return _reshape(name, layer, flow)


def _reshape(name: str, layer: Any, flow: Flow) -> Flow:
    return operators.rearranged(flow, lambda order: order.reshape(1, *layer.output.shape[1:]))


def _by_channel(name: str, layer: Any, flow: Flow) -> Flow:
    _linear_activation(name, layer)
    inputs, axis, output = layer.equation.replace("->", ",").split(",")
    kernel, *bias = layer.get_weights()
    by_last = inputs == output and axis == inputs[-1] == layer.bias_axes
    if not by_last or kernel.ndim != 1 or bias[0].ndim != 1:
        raise DataError(
            f"{name}: the equation {layer.equation} with bias_axes={layer.bias_axes} is not"
            " supported; one such as ab,b->ab with bias_axes=b is"
        )
    scaled = operators.arithmetic(name, "Mul", flow, kernel)
    return operators.arithmetic(name, "Add", scaled, bias[0])


def _rescaling(name: str, layer: Any, flow: Flow) -> Flow:
    scaled = operators.arithmetic(name, "Mul", flow, np.float32(layer.scale))
    return operators.arithmetic(name, "Add", scaled, np.float32(layer.offset))


def _unchanged(name: str, layer: Any, flow: Flow) -> Flow:
    return flow


def _absolute(name: str, _: dict[str, Any], flow: Flow) -> Flow:
    if isinstance(flow, Sums):
        return Sizes(flow)
    if isinstance(flow, Pieces):
        return flow.mapped(np.abs)
    raise DataError(f"{name}: an absolute value of an absolute value is not supported")


def _cast(name: str, config: dict[str, Any], flow: Flow) -> Flow:
    if isinstance(flow, Pieces):
        return flow.mapped(lambda values: values.astype(config["dtype"]))
    if config["dtype"] != "float32":
        raise DataError(f"{name}: a cast of a real tensor to {config['dtype']} is not supported")
    return flow


def _full(value: float) -> Callable:
    return lambda name, config, flow: np.full(flow.shape, value, "float32")


def _negative(name: str, _: dict[str, Any], value: Any) -> Any:
    if isinstance(value, Flow):
        return operators.negative(name, value)
    return -value


def _slope_of_relu(name: str, layer: Any) -> np.float32:
    if layer.max_value is not None or layer.threshold:
        raise DataError(f"{name}: max_value and threshold are not supported")
    return np.float32(layer.negative_slope)


RECTIFIERS: dict[str, Callable] = {  # their slopes below 0
    "ReLU": _slope_of_relu,
    "LeakyReLU": lambda _, layer: np.float32(layer.negative_slope),
    "PReLU": lambda _, layer: np.asarray(layer.alpha)[None],
}
OPERATIONS: dict[str, Callable] = {  # of `keras.ops`
    "Pad": _pad,
    "Absolute": _absolute,
    "Cast": _cast,
    "Negative": _negative,
    "OnesLike": _full(1.0),
    "ZerosLike": _full(0.0),
    "Sign": lambda name, _, flow: operators.sign(name, flow),
    "Where": lambda name, _, *operands: operators.where(name, *operands),
}
LAYERS: dict[str, Callable] = {
    "Dense": _dense,
    "Conv2D": _convolution,
    "EinsumDense": _by_channel,
    "BatchNormalization": _normalization,
    "MaxPooling2D": _max_pool,
    "AveragePooling2D": _average_pool,
    "GlobalMaxPooling2D": _global_pool(pooling.max_pool),
    "GlobalAveragePooling2D": _global_pool(pooling.average_pool),
    "ZeroPadding2D": _zero_padding,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Rescaling": _rescaling,
    "Dropout": _unchanged,
    "GaussianNoise": _unchanged,
    "GaussianDropout": _unchanged,
}
