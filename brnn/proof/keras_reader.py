"""Keras models read as integer nets.

A model is read from its configuration: the layers and operations of its graph, with the constants
that they are called with.
"""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import keras
import numpy as np

from brnn.errors import DataError
from brnn.proof import operators
from brnn.proof.flows import Flow, pixels
from brnn.proof.integer_net import IntegerNet
from brnn.proof.keras_layers import LAYERS, OPERATIONS, RECTIFIERS
from brnn.proof.tensors import Tensors, are_apart
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager

ARITHMETIC = {
    "Add": "Add",
    "Subtract": "Sub",
    "Multiply": "Mul",
    "Divide": "Div",
    "TrueDivide": "Div",
}
COMPARISONS = {
    "GreaterEqual": "GreaterOrEqual",
    "Greater": "Greater",
    "LessEqual": "LessOrEqual",
    "Less": "Less",
}
CLOSING = (  # on units, not on steps
    "Dense",
    "Conv2D",
    "BatchNormalization",
    "AveragePooling2D",
    "GlobalAveragePooling2D",
    "ZeroPadding2D",
    "Pad",
)

READ = {*LAYERS, *RECTIFIERS, *ARITHMETIC, "InputLayer", "QuantActivation"}


def of_logits(model: keras.Model) -> keras.Model:
    """Return a model as a graph, without a softmax at its end.

    Raises:
        DataError: the model is not a graph of layers.
    """
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs[0], model.outputs[0])
    if not hasattr(model, "operations"):
        raise DataError(f"a net must be a graph of layers, got {type(model).__name__}")
    end = model.layers[-1]
    if _is_softmax(end) and end.output is model.outputs[0]:
        return keras.Model(model.inputs[0], end.input)
    return model


def read(model: keras.Model, largest: float, whole: bool, divisor: float = 1.0) -> IntegerNet:
    """Return a model as an integer net.

    Args:
        model: a graph of one input (n, ...) and one output (n, classes), the logits.
        largest: bound on the absolute value of the pixels.
        whole: whether pixels are whole numbers only.
        divisor: of pixels, which gives the input of the model.

    Raises:
        DataError: a layer that is not supported; the message names it.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise DataError("the net must have one input and one output")
    for layer in model.layers:
        _check_layer(layer, f"{type(layer).__name__} {layer.name}")
    if any(isinstance(layer, QuantActivation) for layer in model.layers):
        model = QuantManager(model, ()).discretized()  # with its quantizers as operations
    config, shape = model.get_config(), tuple(model.inputs[0].shape[1:])
    if None in shape:
        raise DataError(f"the net must take images of one shape, got {shape}")
    tensors = Tensors(shape, discrete=False)
    for entry in config["layers"]:
        name, kind = entry["config"]["name"], entry["class_name"]
        if kind == "InputLayer":
            tensors.values[name] = pixels((1, *shape), largest, whole, divisor)
        else:
            tensors.values[name] = _result(model, entry, kind, name, tensors)
    (output,) = _names(config["output_layers"])
    return tensors.net(output)


def _check_layer(layer: keras.layers.Layer, name: str) -> None:
    if type(layer).__name__ not in READ:
        raise DataError(_unsupported(name))
    if "float" in layer.compute_dtype and layer.compute_dtype != "float32":
        raise DataError(f"{name} computes in {layer.compute_dtype}; float32 is supported")


def _names(value: Any) -> list[str]:
    """Return the layers that a configuration names as [name, node, tensor], or a list of these."""
    return [value[0]] if isinstance(value[0], str) else [part[0] for part in value]


def _result(
    model: keras.Model, entry: dict[str, Any], kind: str, name: str, tensors: Tensors
) -> Any:
    """Return the output of a layer or an operation."""
    shown = f"{kind} {name}"
    if len(entry["inbound_nodes"]) != 1:
        raise DataError(f"{shown}: a layer that is called several times is not supported")
    node = entry["inbound_nodes"][0]
    given = [v for part in node["args"] for v in (part if isinstance(part, list) else [part])]
    inputs = [_input(value, shown, kind in CLOSING, tensors) for value in given]
    if kind in ARITHMETIC:
        if are_apart(inputs):
            inputs = [_input(value, shown, True, tensors) for value in given]
        combined = partial(_of_operands, shown, tensors.arithmetic, ARITHMETIC[kind])
        return reduce(combined, inputs)
    if kind in COMPARISONS:
        return _of_operands(shown, operators.comparison, COMPARISONS[kind], *inputs)
    if kind in OPERATIONS:
        return OPERATIONS[kind](shown, {**entry["config"], **node["kwargs"]}, *inputs)
    if kind in RECTIFIERS:
        slope = RECTIFIERS[kind](shown, model.get_layer(name))
        return tensors.rectified(shown, inputs[0], slope)
    if kind in LAYERS:
        return LAYERS[kind](shown, model.get_layer(name), *inputs)
    raise DataError(_unsupported(shown))


def _unsupported(name: str) -> str:
    return (
        f"{name}: this layer is not supported; a net consists of"
        f" {', '.join((*LAYERS, *RECTIFIERS))}, and signs or thresholds"
    )


def _input(value: Any, name: str, closing: bool, tensors: Tensors) -> Any:
    """Return a tensor that a configuration names, or a constant."""
    if not isinstance(value, dict):
        return value if isinstance(value, tuple) else np.asarray(value, "float32")
    tensor = value["config"]["keras_history"][0]
    return tensors.units(tensor, name) if closing else tensors.values[tensor]


def _of_operands(name: str, function: Callable, operator: str, left: Any, right: Any) -> Any:
    if isinstance(left, Flow) or isinstance(right, Flow):
        return function(name, operator, left, right)
    table = operators.ARITHMETIC | operators.COMPARISONS
    return table[operator](left, right)


def _is_softmax(layer: Any) -> bool:
    named = (
        isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.softmax
    )
    return named or (isinstance(layer, keras.layers.Softmax) and layer.axis in (-1, 1))
