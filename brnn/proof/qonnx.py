"""Nets of QONNX in operators of ONNX alone, which ONNX Runtime runs too.

References:
    Pappalardo et al. 2022, arXiv:2206.07527.
"""

from typing import Any

import numpy as np

from brnn.errors import DataError
from brnn.exchange import onnx_file
from brnn.exchange.quant import QUANTS, quant


def standard(model: Any) -> Any:
    """Return a model with BipolarQuant as comparisons, and Quant of constants as constants.

    Raises:
        DataError: a Quant of a tensor that is not constant.
    """
    from onnx import ModelProto, numpy_helper

    if not any(node.op_type in ("BipolarQuant", *QUANTS) for node in model.graph.node):
        return model
    result = ModelProto()
    result.CopyFrom(model)
    constants = {t.name: numpy_helper.to_array(t) for t in result.graph.initializer}
    constants |= {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in result.graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    nodes = []
    for node in model.graph.node:
        if node.op_type in QUANTS:
            values = _quantized(node, constants)
            result.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        elif node.op_type == "BipolarQuant":
            nodes += _bipolar(node)
        else:
            nodes.append(node)
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    return result


def _bipolar(node: Any) -> list[Any]:
    """Return nodes that give -scale below 0 and +scale from 0 on."""
    from onnx import helper

    x, scale = node.input
    names = [f"{node.output[0]}/{part}" for part in ("zero", "below", "negative")]
    zero = helper.make_tensor(names[0], 1, [], [0.0])
    return [
        helper.make_node("Constant", [], [names[0]], value=zero),
        helper.make_node("Less", [x, names[0]], [names[1]]),
        helper.make_node("Neg", [scale], [names[2]]),
        helper.make_node("Where", [names[1], names[2], scale], [node.output[0]], node.name),
    ]


def _quantized(node: Any, constants: dict[str, np.ndarray]) -> np.ndarray:
    """Return what Quant makes of a constant."""
    name = f"{node.op_type} {node.name or node.output[0]}"
    missing = [i for i in node.input if i not in constants]
    if missing:
        raise DataError(f"{name}: its input {missing[0]} is not constant, which is not supported")
    values = (constants[i] for i in node.input)
    return quant(name, onnx_file.attributes(node), *values)
