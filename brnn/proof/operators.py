"""Operators of ONNX on tensors that are sums or step functions of sums.

Each function takes the node's name, its attributes and its inputs. An input is a NumPy array where
it is constant.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array

from brnn.errors import DataError
from brnn.proof.flows import Flow, Pieces, Sizes, Sums, added, linear
from brnn.proof.numbers import lowest_power, rounded
from brnn.proof.steps import joined, pieces
from brnn.proof.windows import Attributes, windows_of

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


def on_channels(function: Callable, name: str, attributes: dict, flow: Flow, *rest: Any) -> Flow:
    """Return an operator of ONNX, whose second axis is that of channels, on channels last."""
    moved = rearranged(flow, lambda order: order.transpose(0, 3, 1, 2))
    result = function(name, attributes, moved, *rest)
    return rearranged(result, lambda order: order.transpose(0, 2, 3, 1))


def arithmetic(name: str, operator: str, left: Any, right: Any) -> Flow:
    """Return the sum, difference, product or quotient of two tensors, or a tensor and a constant.

    Two tensors are joined where both are step functions of the same sums; two real ones are added.

    Raises:
        DataError: two other tensors are joined, or an absolute value is changed.
    """
    function = ARITHMETIC[operator]
    if isinstance(left, Pieces) or isinstance(right, Pieces):
        return _elementwise(name, function, left, right)
    if isinstance(left, Sums) and isinstance(right, Sums):
        if operator not in ("Add", "Sub"):
            raise DataError(f"{name}: {operator} of two real tensors is not supported")
        return added(left, right if operator == "Add" else right.affine(-1.0, 0.0), name)
    if isinstance(left, Sizes) or isinstance(right, Sizes):
        raise DataError(f"{name}: an absolute value can only be compared")
    if isinstance(left, Sums):
        return _affine(name, operator, left, operand(name, right, left.shape))
    if operator == "Div":
        raise DataError(f"{name}: division by a real tensor is not supported")
    constant = operand(name, left, right.shape)
    if operator == "Sub":
        return right.affine(-1.0, constant)
    return _affine(name, operator, right, constant)


def _is_whole_typed(value: Any) -> bool:
    values = value.values if isinstance(value, Pieces) else value
    return isinstance(values, np.ndarray) and values.dtype.kind in "iu"


def _affine(name: str, operator: str, flow: Sums, constant: np.ndarray) -> Sums:
    if operator in ("Add", "Sub"):
        return flow.affine(1.0, constant if operator == "Add" else -constant)
    if operator == "Mul":
        return flow.affine(constant, 0.0)
    if (constant == 0).any():
        raise DataError(f"{name}: division by 0 is not supported")
    exact = np.all(np.abs(np.frexp(constant)[0]) == 0.5)
    return flow.affine(1 / constant, 0.0, operations=1 if exact else 2)


def comparison(name: str, operator: str, left: Any, right: Any) -> Pieces:
    """Return where a tensor is at least, above, at most or below a constant.

    Raises:
        DataError: two real tensors are compared.
    """
    if isinstance(left, Pieces) or isinstance(right, Pieces):
        return _elementwise(name, COMPARISONS[operator], left, right)
    if isinstance(left, Sizes):
        return _size_comparison(name, operator, left, right)
    if isinstance(right, Sums):
        if isinstance(left, Sums):
            raise DataError(f"{name}: {operator} of two real tensors is not supported")
        return comparison(name, MIRRORED[operator], right, left)
    strict = operator in ("Greater", "LessOrEqual")
    below = operator in ("Less", "LessOrEqual")
    cut = operand(name, right, left.shape)
    return pieces(left, [(cut, strict)], np.array([below, not below]))


def _size_comparison(name: str, operator: str, sizes: Sizes, constant: Any) -> Pieces:
    """Return where an absolute value is at least, above, at most or below one number above 0."""
    cut = np.asarray(constant, "float64")
    if cut.size != 1 or not cut > 0:
        raise DataError(f"{name}: sizes are compared with one number above 0 alone")
    outside = operator in ("GreaterOrEqual", "Greater")
    closed = operator in ("GreaterOrEqual", "Less")  # the numbers -cut and cut are outside
    cuts = [(-cut, closed), (cut, not closed)]
    return pieces(sizes.sums, cuts, np.array([outside, not outside, outside]))


def negative(name: str, flow: Flow) -> Flow:
    """Return the negative of a tensor, of the same type."""
    if isinstance(flow, Pieces):
        return flow.mapped(np.negative)
    return arithmetic(name, "Mul", flow, np.float32(-1))


def sign(name: str, flow: Flow) -> Pieces:
    """Return -1, 0 or 1."""
    if isinstance(flow, Pieces):
        return flow.mapped(np.sign)
    zero = np.zeros(())
    return pieces(units(name, flow), [(zero, False), (zero, True)], np.array([-1, 0, 1], "float32"))


def where(name: str, condition: Any, yes: Any, no: Any) -> Pieces:
    """Return one of two values by a condition; each may be a step function of the same sums.

    Raises:
        DataError: the condition is constant.
    """
    if not isinstance(condition, Pieces):
        raise DataError(f"{name}: Where by a constant condition is not supported")
    first = _elementwise(name, lambda c, v: np.where(c, v, 0), condition, yes)
    second = _elementwise(name, lambda c, v: np.where(c, 0, v), condition, no)
    return _elementwise(name, np.add, first, second)


def _elementwise(name: str, function: Callable, left: Any, right: Any) -> Pieces:
    """Return a function of two tensors; at least one is a step function."""
    if isinstance(left, Sums) or isinstance(right, Sums):
        raise DataError(
            f"{name}: a real tensor and a discrete one are joined, which is not supported"
        )
    if isinstance(left, Pieces) and isinstance(right, Pieces):
        left, right = joined(left, right, name)
    if function is np.divide and _is_whole_typed(left) and _is_whole_typed(right):
        raise DataError(f"{name}: the quotient of whole numbers is not supported")
    flow = left if isinstance(left, Pieces) else right
    operands = []
    for side in (left, right):
        if isinstance(side, Pieces):
            operands.append(side.values)
        else:
            operands.append(_broadcast(name, side, flow.shape)[..., None])
    return replace(flow, values=function(*operands))


def biased(name: str, sums: Sums, bias: np.ndarray) -> Sums:
    """Return sums with a bias that their operator adds before, after or between the products."""
    result = _affine(name, "Add", sums, operand(name, bias, sums.shape))
    count = np.diff(sums.weights.indptr)[sums.windows[..., 0]]
    again = rounded(result.error, result.size, np.zeros(sums.shape), count)
    return replace(result, error=np.where(result.error == 0, 0.0, again))


def matrix(name: str, flow: Flow, weights: np.ndarray) -> Sums:
    """Return the product of a tensor (1, k) and a matrix (k, m).

    Raises:
        DataError: the shapes are others.
    """
    sums = units(name, flow)
    check_finite(name, weights)
    if len(sums.shape) != 2 or weights.ndim != 2 or sums.shape[1] != len(weights):
        raise DataError(
            f"{name}: shapes {sums.shape} and {weights.shape} are not a row and a matrix"
        )
    return linear(csr_array(weights.T.astype("float64")), sums, (1, weights.shape[1]), name)


def convolution(name: str, attributes: Attributes, flow: Flow, kernel: np.ndarray) -> Sums:
    """Return the convolution of a tensor (1, c, h, w) with a kernel (m, c / groups, y, x).

    Raises:
        DataError: the shapes are others.
    """
    sums, groups = units(name, flow), attributes.get("group", 1)
    check_finite(name, kernel)
    if len(sums.shape) != 4 or kernel.ndim != 4 or sums.shape[1] != kernel.shape[1] * groups:
        raise DataError(
            f"{name}: Conv of {sums.shape} with {kernel.shape}: only two-dimensional ones"
        )
    positions, inside = windows_of(name, attributes, sums.shape, kernel.shape[2:])
    height, width, taps = positions.shape
    filters, depth = kernel.shape[:2]
    filter_, channel, position, tap = (
        axis.ravel() for axis in np.indices((filters, depth, height * width, taps), "int64")
    )
    seen = inside.reshape(-1, taps)[position, tap]
    filter_, channel, position, tap = (axis[seen] for axis in (filter_, channel, position, tap))
    area = sums.shape[2] * sums.shape[3]
    source = filter_ // (filters // groups) * depth + channel
    columns = source * area + positions.reshape(-1, taps)[position, tap]
    values = kernel.reshape(filters, depth, taps)[filter_, channel, tap].astype("float64")
    shape = (filters * height * width, sums.shape[1] * area)
    rows = filter_ * height * width + position
    matrix_ = csr_array(coo_array((values, (rows, columns)), shape))
    return linear(matrix_, sums, (1, filters, height, width), name)


def pad(name: str, flow: Flow, widths: np.ndarray, value: float) -> Sums:
    """Return a tensor with a constant around it, so many elements before and after each axis."""
    sums = units(name, flow)
    order = np.arange(math.prod(sums.shape)).reshape(sums.shape)
    result = sums.arranged(np.pad(order, widths))
    inside = np.pad(np.ones(sums.shape, bool), widths)
    return replace(
        result,
        scale=np.where(inside, result.scale, 0.0),
        shift=np.where(inside, result.shift, value),
        error=np.where(inside, result.error, 0.0),
        size=np.where(inside, result.size, abs(value)),
        step=np.where(inside, result.step, lowest_power(np.array(value))),
    )


def units(name: str, flow: Flow) -> Sums:
    """Return a tensor as the sums that it consists of.

    Raises:
        DataError: it consists of something else.
    """
    if not isinstance(flow, Sums):
        raise DataError(f"{name}: its input is not a tensor of units")
    return flow


def check_finite(name: str, *constants: np.ndarray) -> None:
    """Check that constants are finite.

    Raises:
        DataError: one is not.
    """
    for values in constants:
        if not np.isfinite(values).all():
            bad = values[~np.isfinite(values)].ravel()[0]
            raise DataError(f"{name}: weights and constants must be finite, got {bad:g}")


def operand(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a constant operand of a tensor of a shape, in float64.

    Raises:
        DataError: it does not fit, or is not finite.
    """
    check_finite(name, np.asarray(value, "float64"))
    return _broadcast(name, np.asarray(value, "float64"), shape)


def _broadcast(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    try:
        return np.broadcast_to(value, shape)
    except ValueError:
        raise DataError(
            f"{name}: a constant of shape {np.shape(value)} does not fit {shape}"
        ) from None
