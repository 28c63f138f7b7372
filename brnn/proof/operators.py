"""Operators of ONNX on tensors that are sums or pieces of the number line.

Each function takes the node's name, its attributes and its inputs. An input is a NumPy array where
it is constant.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array

from brnn.errors import DataError
from brnn.proof.flows import Flow, Pieces, Sums, linear, pieces

Attributes = Mapping[str, Any]
ARITHMETIC: dict[str, Callable[..., np.ndarray]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
}
COMPARISONS: dict[str, Callable[..., np.ndarray]] = {
    "GreaterOrEqual": np.greater_equal,
    "Greater": np.greater,
    "LessOrEqual": np.less_equal,
    "Less": np.less,
}
MIRRORED = {  # a comparison whose operands are exchanged
    "GreaterOrEqual": "LessOrEqual",
    "Greater": "Less",
    "LessOrEqual": "GreaterOrEqual",
    "Less": "Greater",
}


def rearranged(flow: Flow, move: Callable[[np.ndarray], np.ndarray]) -> Flow:
    """Return a tensor with its elements moved as `move` moves those of an array."""
    return flow.arranged(move(np.arange(math.prod(flow.shape)).reshape(flow.shape)))


def arithmetic(name: str, operator: str, left: Any, right: Any) -> Flow:
    """Return the sum, difference, product or quotient of a tensor and a constant.

    Two tensors are joined where both are step functions of the same sums.
    """
    function = ARITHMETIC[operator]
    if isinstance(left, Pieces) or isinstance(right, Pieces):
        return _elementwise(name, function, left, right)
    if isinstance(left, Sums) and isinstance(right, Sums):
        raise DataError(f"{name}: {operator} of two real tensors is not supported")
    if isinstance(left, Sums):
        return _affine(operator, left, _constant(name, right, left.shape))
    if operator == "Div":
        raise DataError(f"{name}: division by a real tensor is not supported")
    constant = _constant(name, left, right.shape)
    if operator == "Sub":
        return right.affine(-1.0, constant)
    return _affine(operator, right, constant)


def _affine(operator: str, flow: Sums, constant: np.ndarray) -> Sums:
    if operator in ("Add", "Sub"):
        return flow.affine(1.0, constant if operator == "Add" else -constant)
    if operator == "Mul":
        return flow.affine(constant, 0.0)
    if (constant == 0).any():
        raise DataError("division by 0")
    exact = np.all(np.abs(np.frexp(constant)[0]) == 0.5)
    return flow.affine(1 / constant, 0.0, operations=1 if exact else 2)


def comparison(name: str, operator: str, left: Any, right: Any) -> Pieces:
    """Return where a tensor is at least, above, at most or below a constant."""
    if isinstance(left, Pieces) or isinstance(right, Pieces):
        return _elementwise(name, COMPARISONS[operator], left, right)
    if isinstance(right, Sums):
        if isinstance(left, Sums):
            raise DataError(f"{name}: {operator} of two real tensors is not supported")
        return comparison(name, MIRRORED[operator], right, left)
    shifted = left.affine(1.0, -_constant(name, right, left.shape))
    strict = operator in ("Greater", "LessOrEqual")
    below = operator in ("Less", "LessOrEqual")
    return pieces(shifted, [(0.0, strict)], np.array([below, not below]))


def sign(flow: Flow) -> Pieces:
    """Return -1, 0 or 1."""
    if isinstance(flow, Pieces):
        return flow.mapped(np.sign)
    return pieces(flow, [(0.0, False), (0.0, True)], np.array([-1, 0, 1], "float32"))


def where(name: str, condition: Any, yes: Any, no: Any) -> Pieces:
    """Return one of two values by a condition; each may be a step function of the same sums."""
    if not isinstance(condition, Pieces):
        raise DataError(f"{name}: Where by a constant condition is not supported")
    first = _elementwise(name, lambda c, v: np.where(c, v, 0), condition, yes)
    second = _elementwise(name, lambda c, v: np.where(c, 0, v), condition, no)
    return replace(first, values=first.values + second.values)


def _elementwise(name: str, function: Callable, left: Any, right: Any) -> Pieces:
    """Return a function of two tensors, of which at least one is a step function."""
    if isinstance(left, Sums) or isinstance(right, Sums):
        raise DataError(
            f"{name}: a real tensor and a discrete one are joined, which is not supported"
        )
    flow = left if isinstance(left, Pieces) else right
    operands = []
    for operand in (left, right):
        if not isinstance(operand, Pieces):
            operands.append(_broadcast(name, operand, flow.shape)[..., None])
        elif operand is flow or operand.same_steps(flow):
            operands.append(operand.values)
        else:
            raise DataError(
                f"{name}: two tensors of different sums are joined; only chains of layers are"
            )
    return replace(flow, values=function(*operands))


def matrix(name: str, flow: Flow, weights: np.ndarray) -> Sums:
    """Return the product of a tensor (1, k) and a matrix (k, m)."""
    sums = _sums(name, flow)
    if len(sums.shape) != 2 or weights.ndim != 2 or sums.shape[1] != len(weights):
        raise DataError(
            f"{name}: shapes {sums.shape} and {weights.shape} are not a row and a matrix"
        )
    return linear(csr_array(weights.T.astype("float64")), sums, (1, weights.shape[1]), name)


def convolution(name: str, attributes: Attributes, flow: Flow, kernel: np.ndarray) -> Sums:
    """Return the convolution of a tensor (1, c, h, w) with a kernel (m, c / groups, y, x)."""
    sums, groups = _sums(name, flow), attributes.get("group", 1)
    if len(sums.shape) != 4 or kernel.ndim != 4 or sums.shape[1] != kernel.shape[1] * groups:
        raise DataError(
            f"{name}: Conv of {sums.shape} with {kernel.shape}: only two-dimensional ones"
        )
    positions, inside = windows_of(name, attributes, sums.shape, kernel.shape[2:])
    height, width, taps = positions.shape
    filters, depth = kernel.shape[:2]
    filter_, channel, place, tap = (
        axis.ravel() for axis in np.indices((filters, depth, height * width, taps), "int64")
    )
    seen = inside.reshape(-1, taps)[place, tap]
    filter_, channel, place, tap = (axis[seen] for axis in (filter_, channel, place, tap))
    area = sums.shape[2] * sums.shape[3]
    source = filter_ // (filters // groups) * depth + channel
    columns = source * area + positions.reshape(-1, taps)[place, tap]
    values = kernel.reshape(filters, depth, taps)[filter_, channel, tap].astype("float64")
    shape = (filters * height * width, sums.shape[1] * area)
    matrix_ = csr_array(coo_array((values, (filter_ * height * width + place, columns)), shape))
    return linear(matrix_, sums, (1, filters, height, width), name)


def windows_of(
    name: str, attributes: Attributes, shape: tuple[int, ...], kernel: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the flat positions (h, w, taps) that windows cover, and which lie inside."""
    if attributes.get("ceil_mode", 0):
        raise DataError(f"{name}: ceil_mode is not supported")
    rows, columns = (
        _line(name, attributes, shape[axis + 2], kernel[axis], axis) for axis in (0, 1)
    )
    y, x = rows[:, None, :, None], columns[None, :, None, :]
    inside = (y >= 0) & (y < shape[2]) & (x >= 0) & (x < shape[3])
    positions = np.where(inside, y * shape[3] + x, 0)
    flat = (len(rows), len(columns), -1)
    return positions.reshape(flat), inside.reshape(flat)


def _line(name: str, attributes: Attributes, size: int, kernel: int, axis: int) -> np.ndarray:
    """Return the positions (outputs, taps) along one axis, some of them outside."""
    stride = (attributes.get("strides") or [1, 1])[axis]
    dilation = (attributes.get("dilations") or [1, 1])[axis]
    reach = (kernel - 1) * dilation + 1
    pads = attributes.get("pads") or [0, 0, 0, 0]
    before, after = pads[axis], pads[axis + 2]
    padding = attributes.get("auto_pad", b"NOTSET").decode()
    if padding in ("SAME_UPPER", "SAME_LOWER"):
        total = max((math.ceil(size / stride) - 1) * stride + reach - size, 0)
        before = total // 2 if padding == "SAME_UPPER" else total - total // 2
        after = total - before
    count = (size + before + after - reach) // stride + 1
    if count < 1:
        raise DataError(f"{name}: a window of {kernel} is larger than its input of {size}")
    return np.arange(count)[:, None] * stride - before + np.arange(kernel) * dilation


def max_pool(name: str, attributes: Attributes, flow: Flow) -> Flow:
    """Return the maximum over windows of a tensor (1, c, h, w)."""
    shape = _plane(name, flow)
    positions, inside = windows_of(name, attributes, shape, attributes["kernel_shape"])
    if not inside.any(axis=-1).all():
        raise DataError(f"{name}: a window lies outside of the input")
    first = np.take_along_axis(positions, inside.argmax(-1)[..., None], -1)
    places = np.where(inside, positions, first)
    area = shape[2] * shape[3]
    elements = np.arange(shape[1])[None, :, None, None, None] * area + places[None, None]
    if isinstance(flow, Sums):
        return _pooled(name, _rising(flow), elements)
    rising = (np.diff(np.asarray(flow.values, "float64"), axis=-1) >= 0).all()
    windows = (v.reshape(-1, v.shape[-1])[elements] for v in (flow.at, flow.values))
    if not rising or not all((v == v[..., :1, :]).all() for v in windows):
        raise DataError(f"{name}: MaxPool behind a sign of different or falling thresholds")
    one = flow.arranged(elements[..., 0])
    return replace(one, sums=_pooled(name, flow.sums, elements))


def _pooled(name: str, sums: Sums, elements: np.ndarray) -> Sums:
    """Return the maximum over flat positions of a tensor (..., taps)."""
    one = sums.arranged(elements[..., 0])
    for values in (sums.scale, sums.shift):
        window = values.ravel()[elements]
        if not (window == window[..., :1]).all():
            raise DataError(f"{name}: MaxPool over different scales is not supported")
    windows = sums.windows.reshape(-1, sums.windows.shape[-1])[elements]
    error, size = (v.ravel()[elements].max(axis=-1) for v in (sums.error, sums.size))
    return replace(one, windows=windows.reshape(*one.shape, -1), error=error, size=size)


def _rising(sums: Sums) -> Sums:
    """Return the same tensor with scales of at least 0, by changing signs of rows."""
    if (sums.scale >= 0).all():
        return sums
    signs = np.ones(sums.weights.shape[0], "int64")
    signs[sums.windows[sums.scale < 0].ravel()] = -1
    weights = csr_array(diags_array(signs, dtype=signs.dtype) @ sums.weights)
    return replace(sums, weights=weights, scale=np.abs(sums.scale))


def average_pool(name: str, attributes: Attributes, flow: Flow) -> Sums:
    """Return the mean over windows of a tensor (1, c, h, w)."""
    shape = _plane(name, flow)
    kernel = tuple(attributes["kernel_shape"])
    _, inside = windows_of(name, attributes, shape, kernel)
    ones = np.ones((shape[1], 1, *kernel))
    total = convolution(name, {**attributes, "group": shape[1]}, flow, ones)
    count = inside.sum(axis=-1)
    if attributes.get("count_include_pad", 0):
        count = np.full_like(count, math.prod(kernel))
    return _affine("Div", total, np.broadcast_to(count.astype("float64"), total.shape))


def pad(name: str, flow: Flow, widths: np.ndarray, value: float) -> Sums:
    """Return a tensor with a constant around it, so many elements before and after each axis."""
    sums = _sums(name, flow)
    order = np.arange(math.prod(sums.shape)).reshape(sums.shape)
    result = sums.arranged(np.pad(order, widths))
    inside = np.pad(np.ones(sums.shape, bool), widths)
    scale, error = np.where(inside, result.scale, 0.0), np.where(inside, result.error, 0.0)
    shift, size = (
        np.where(inside, given, constant)
        for given, constant in ((result.shift, value), (result.size, abs(value)))
    )
    return replace(result, scale=scale, shift=shift, error=error, size=size)


def batch_normalization(name: str, attributes: Attributes, flow: Flow, *values: np.ndarray) -> Flow:
    """Return the normalized tensor, whose second axis is that of the channels."""
    sums = _sums(name, flow)
    gamma, beta, mean, variance = (v.astype("float64") for v in values)
    deviation = np.sqrt(variance + np.float64(np.float32(attributes.get("epsilon", 1e-5))))
    factor, rest = gamma / deviation, (beta, mean)
    shape = (1, -1, *(1,) * (len(sums.shape) - 2))
    factor, (beta, mean) = factor.reshape(shape), (v.reshape(shape) for v in rest)
    result = sums.affine(factor, beta - mean * factor, operations=8)
    sizes = np.abs(factor) * (sums.size + np.abs(mean)) + np.abs(beta)
    return replace(result, error=np.abs(factor) * sums.error + 8 * 2.0**-24 * sizes)


def _plane(name: str, flow: Flow) -> tuple[int, ...]:
    if len(flow.shape) != 4:
        raise DataError(f"{name}: pooling of shape {flow.shape}: only two-dimensional ones")
    return flow.shape


def _sums(name: str, flow: Flow) -> Sums:
    if not isinstance(flow, Sums):
        raise DataError(f"{name}: its input is not a tensor of units")
    return flow


def _constant(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    return _broadcast(name, np.asarray(value, "float64"), shape)


def _broadcast(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    try:
        return np.broadcast_to(value, shape)
    except ValueError:
        raise DataError(
            f"{name}: a constant of shape {np.shape(value)} does not fit {shape}"
        ) from None
