"""Files of ONNX, read node by node with the package `onnx`."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from brnn.errors import DataError, require

STANDARD = ("", "ai.onnx")  # the domain of ONNX's own operators
OTHERS = ("onnx.brevitas", "qonnx.", "finn.", "com.microsoft")  # beginnings of further ones
OLDEST = 7  # operator set, from which on operators broadcast as in NumPy
SOFTMAX = ("Softmax", "LogSoftmax")  # operators that keep the order of logits
SHAPING = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose")
INTEGERS = (2, 3, 4, 5, 6, 7, 12, 13)  # types of elements


def before_softmax(graph: Any) -> tuple[list[tuple[str, Any]], str]:
    """Return the named nodes of a graph without a softmax at its end, and the name of the logits.

    Args:
        graph: of an ONNX model with one output.
    """
    nodes, output = list(graph.node), graph.output[0].name
    if ends_in_softmax(graph):
        output = nodes.pop().input[0]
    return [(f"{node.op_type} {node.name or node.output[0]}", node) for node in nodes], output


def ends_in_softmax(graph: Any) -> bool:
    """Return whether the last node of a graph is a softmax over classes, and its output."""
    node = graph.node[-1] if graph.node else None
    if node is None or node.op_type not in SOFTMAX or graph.output[0].name not in node.output:
        return False
    return attributes(node).get("axis", -1) in (-1, 1)


def image_input(graph: Any) -> tuple[Any, tuple[int, ...]]:
    """Return the input of a graph, and its shape without the axis of the batch.

    Raises:
        DataError: there are several inputs or outputs, or the shape is not fixed.
    """
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise DataError(
            f"the net must have one input and one output, got {len(inputs)} and {len(graph.output)}"
        )
    batch, *axes = inputs[0].type.tensor_type.shape.dim or [None]
    shape = tuple(axis.dim_value for axis in axes)
    if batch is None or batch.dim_value > 1 or not all(shape):
        raise DataError(
            f"the input {inputs[0].name} must be one image of a fixed shape, got {shape}"
        )
    return inputs[0], shape


def load(path: Path, feature: str, extra: str) -> Any:
    """Return the model of a file, which may be compressed by gzip.

    Args:
        path: of the file.
        feature: what needs the package, for messages.
        extra: that installs it.

    Raises:
        ConfigError: the package onnx is not installed.
        DataError: the file cannot be read, or is of an operator set that is not known.
    """
    require("onnx", feature, extra)
    import onnx

    try:
        data = path.read_bytes()
        model = onnx.load_from_string(gzip.decompress(data) if path.suffix == ".gz" else data)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except Exception as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not a complete file of ONNX: {reason}") from error
    if not model.graph.output:
        raise DataError(f"{path} is not a complete file of ONNX: it has no output")
    _check_operators(path, model)
    return model


def _check_operators(path: Path, model: Any) -> None:
    """Check that the operators of a model are those whose meaning is known.

    Raises:
        DataError: the operator set is another one, or a node is of another domain.
    """
    from onnx.defs import onnx_opset_version

    newest = onnx_opset_version()
    version = next((o.version for o in model.opset_import if o.domain in STANDARD), 0)
    if not OLDEST <= version <= newest:
        raise DataError(
            f"{path} is of operator set {version} of ONNX; those from {OLDEST} to {newest} are read"
        )
    for node in model.graph.node:
        if node.domain not in STANDARD and not node.domain.startswith(OTHERS):
            raise DataError(
                f"{node.op_type} {node.name or node.output[0]}: an operator of {node.domain}; those"
                " of ONNX, QONNX and ONNX Runtime are read"
            )


def attributes(node: Any) -> dict[str, Any]:
    """Return the attributes of a node by their names."""
    from onnx import helper

    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def constant(model: Any, node: Any, name: str, inputs: list[np.ndarray | None]) -> np.ndarray:
    """Return what a node of constants computes.

    Raises:
        DataError: the reference implementation of onnx does not know it.
    """
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    names = [i for i in node.input if i]
    infos = [helper.make_empty_tensor_value_info(i) for i in names]
    outputs = [helper.make_empty_tensor_value_info(i) for i in node.output]
    graph = helper.make_graph([node], "constant", infos, outputs)
    made = helper.make_model(graph, opset_imports=model.opset_import)
    try:
        feed = {i: value for i, value in zip(node.input, inputs, strict=True) if i}
        results: Any = ReferenceEvaluator(made).run(None, feed)
        return np.asarray(results[0])
    except Exception as error:
        raise DataError(f"{name}: not supported ({error})") from error


def move(
    operator: str, name: str, attributes: dict[str, Any], inputs: list[Any]
) -> Callable[[np.ndarray], np.ndarray]:
    """Return how an operator of `SHAPING` moves the elements of an array.

    Args:
        operator: of the node.
        name: of the node, for messages.
        attributes: of the node.
        inputs: the tensor, and perhaps a constant with a shape or axes.

    Raises:
        DataError: the shape or the axes are not constant.
    """
    if operator == "Transpose":
        return lambda array: array.transpose(attributes.get("perm"))
    if operator == "Flatten":
        axis = attributes.get("axis", 1)
        return lambda array: array.reshape(int(np.prod(array.shape[:axis])), -1)
    operand = inputs[1] if len(inputs) > 1 else attributes.get("shape", attributes.get("axes"))
    if not isinstance(operand, np.ndarray | list | None):
        raise DataError(f"{name}: its shape is not constant")
    numbers = None if operand is None else tuple(int(i) for i in operand)
    if operator == "Reshape":
        return lambda array: array.reshape(
            [size or array.shape[axis] for axis, size in enumerate(numbers or ())]
        )
    if operator == "Squeeze":
        return lambda array: np.squeeze(array, numbers)
    return lambda array: np.expand_dims(array, numbers or ())
