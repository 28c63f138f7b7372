"""Operators of ONNX on single elements of a flow, and those that move them.

Each function takes the node's name, its attributes and its inputs, arrays where they are constant.
"""

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from brnn.errors import DataError
from brnn.exchange import onnx_file
from brnn.exchange.onnx_flow import Flow
from brnn.exchange.quant import QUANTS, bipolar_quant, quant

UNCHANGED = ("Identity", "Dropout", "Cast")
MIRRORED = {operator.ge: operator.le, operator.gt: operator.lt}
MIRRORED |= {other: compare for compare, other in MIRRORED.items()}


def _add(name: str, _: dict, left: Any, right: Any) -> Flow:
    if not isinstance(left, Flow):
        left, right = right, left
    if left.function:
        return left.then(_with_scalar(name, np.add, right))
    return left.affine(1.0, left.by_channel(name, _constant(name, right)))


def _sub(name: str, attributes: dict, left: Any, right: Any) -> Flow:
    if isinstance(left, Flow):
        return _add(name, attributes, left, -_constant(name, right))
    return _add(name, attributes, _neg(name, attributes, right), left)


def _mul(name: str, _: dict, left: Any, right: Any) -> Flow:
    if not isinstance(left, Flow):
        left, right = right, left
    if left.function:
        return left.then(_with_scalar(name, np.multiply, right))
    return left.affine(left.by_channel(name, _constant(name, right)), 0.0)


def _div(name: str, attributes: dict, left: Any, right: Any) -> Flow:
    return _mul(name, attributes, left, 1.0 / np.asarray(_constant(name, right), "float64"))


def _neg(name: str, attributes: dict, flow: Flow) -> Flow:
    return _mul(name, attributes, flow, np.array(-1.0))


def _compare(compare: Callable) -> Callable[..., Flow]:
    def compared(name: str, attributes: dict, left: Any, right: Any) -> Flow:
        if not isinstance(left, Flow):
            return _compare(MIRRORED[compare])(name, attributes, right, left)
        if left.function:
            return left.then(_with_scalar(name, compare, right))
        shifted = _add(name, attributes, left, -_constant(name, right))
        return shifted.then(lambda x: compare(x, 0))

    return compared


def _where(name: str, _: dict, condition: Any, yes: Any, no: Any) -> Flow:
    if not isinstance(condition, Flow) or not condition.function:
        raise DataError(f"{name}: Where by a condition that is no comparison")
    values = [_scalar(name, value) for value in (yes, no)]
    return condition.then(lambda x: np.where(x, *values))


def _sign(_: str, __: dict, flow: Flow) -> Flow:
    return flow.then(np.sign)


def _not(_: str, __: dict, flow: Flow) -> Flow:
    return flow.then(np.logical_not)


def _bipolar(name: str, _: dict, x: Any, scale: Any) -> Any:
    if not isinstance(x, Flow):
        return bipolar_quant(x, scale)
    size = _scalar(name, scale)
    return x.then(lambda values: bipolar_quant(values, size))


def _quant(name: str, attributes: dict, x: Any, *others: Any) -> Any:
    if not isinstance(x, Flow):
        return quant(name, attributes, x, *others)
    scalars = [_scalar(name, value) for value in others]
    return x.then(lambda values: quant(name, attributes, values, *scalars))


def _normalized(name: str, attributes: dict, flow: Flow, *values: Any) -> Flow:
    gamma, beta, mean, variance = (_constant(name, v).astype("float64") for v in values)
    if flow.function:
        raise DataError(f"{name}: normalization of levels is not supported")
    factor = gamma / np.sqrt(variance + np.float64(np.float32(attributes.get("epsilon", 1e-5))))
    return flow.affine(factor, beta - mean * factor)


def _same(_: str, __: dict, flow: Flow, *others: Any) -> Flow:
    return flow


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "Add": _add,
    "Sub": _sub,
    "Mul": _mul,
    "Div": _div,
    "Neg": _neg,
    "GreaterOrEqual": _compare(operator.ge),
    "Greater": _compare(operator.gt),
    "LessOrEqual": _compare(operator.le),
    "Less": _compare(operator.lt),
    "Where": _where,
    "Sign": _sign,
    "Not": _not,
    "BipolarQuant": _bipolar,
    **dict.fromkeys(QUANTS, _quant),
    "BatchNormalization": _normalized,
    **dict.fromkeys(UNCHANGED, _same),
}


def rearranged(kind: str, name: str, attributes: dict, inputs: list[Any]) -> Flow:
    """Return a tensor whose elements are moved.

    Args:
        kind: the operator.
        name: of the node, for messages.
        attributes: of the node.
        inputs: the tensor, and perhaps a constant with a shape or axes.

    Raises:
        DataError: the operator is another one, or its shape is not constant.
    """
    flow = inputs[0]
    if not isinstance(flow, Flow) or kind not in onnx_file.SHAPING:
        raise DataError(f"{name}: the operator is not supported")
    return replace(flow, order=onnx_file.move(kind, name, attributes, inputs)(flow.order))


def _constant(name: str, value: Any) -> np.ndarray:
    if isinstance(value, Flow):
        raise DataError(f"{name}: two tensors are joined; only chains of layers are supported")
    return np.asarray(value)


def _scalar(name: str, value: Any) -> float:
    array = _constant(name, value)
    if array.size != 1:
        raise DataError(f"{name}: levels and constants joined with them must be single numbers")
    return float(array.ravel()[0])


def _with_scalar(name: str, function: Callable, value: Any) -> Callable:
    scalar = _scalar(name, value)
    return lambda x: function(x, scalar)
