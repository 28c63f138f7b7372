"""Tensors of a net as its layers."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array, diags_array

from brnn.errors import DataError
from brnn.proof.columns import widened
from brnn.proof.flows import LARGEST_WEIGHT, Pieces, Sums, added, identity
from brnn.proof.integer_net import Carried, Hidden, Last, Rectified
from brnn.proof.numbers import lowest_power, rounded


def close(flow: Pieces, before: int, name: str) -> tuple[Hidden, Sums]:
    """Return a hidden layer, and the tensor of its units as sums of themselves.

    Their values are whole numbers where they are small multiples of one number, else real.

    Args:
        flow: the units.
        before: how many values of the net are before them.
        name: of the node that reads them, for messages.

    Raises:
        DataError: a value is not finite.
    """
    steps, count = flow.at.shape[-1], int(np.prod(flow.shape))
    values = np.asarray(flow.values, "float64")
    if not np.isfinite(values).all():
        raise DataError(f"{name}: its inputs are not finite numbers")
    unit = _unit(np.abs(values[values != 0]))
    multiples = np.rint(values / unit)
    whole = np.abs(multiples).max(initial=0) <= LARGEST_WEIGHT
    whole = bool(whole) and np.array_equal(multiples * unit, values)
    if not whole:
        unit, multiples = 1.0, values
    at, rise, fall = (v.reshape(count, -1, steps) for v in (flow.at, flow.rise, flow.fall))
    table = multiples.reshape(count, steps + 1).astype("int64" if whole else "float64")
    windows = flow.sums.windows.reshape(count, -1)
    weights = widened(flow.sums.weights, before)
    hidden = Hidden(weights, flow.sums.whole, windows, at, rise, fall, table)
    sums = identity(flow.shape, float(np.abs(multiples).max(initial=0)), whole, before)
    sums = sums.affine(float(unit), 0.0)
    rounding = np.abs(values - values.astype("float32")).max(axis=-1)  # of a cast
    return hidden, replace(sums, error=sums.error + rounding)


def _unit(sizes: np.ndarray) -> float:
    """Return a unit of which all sizes are multiples; 1 if there are none.

    It is the smallest size or, failing that, a power of two.
    """
    unit = sizes.min(initial=np.inf)
    if (np.rint(sizes / unit) * unit == sizes).all():
        return float(unit) if len(sizes) else 1.0
    return float(lowest_power(sizes).min())


def carry(sums: Sums, before: int) -> tuple[Carried, Sums]:
    """Return a layer of the rows of a tensor, and the tensor as sums of these.

    Args:
        sums: the tensor, without pooling.
        before: how many values of the net are before it.
    """
    rows = widened(csr_array(sums.weights[sums.windows.ravel()]), before)
    values = identity(sums.shape, float(sums.size.max(initial=0)), sums.whole, before)
    carried = replace(sums, weights=values.weights, windows=values.windows, offsets=values.offsets)
    return Carried(rows, sums.whole), carried


def rectify(sums: Sums, slope: np.ndarray, before: int, name: str) -> tuple[Rectified, Sums]:
    """Return a layer of positive parts, and the tensor x where it is at least 0, else slope * x.

    The result is slope * x + (1 - slope) * max(x, 0) or, where slope > 1, x + (1 - slope) *
    max(-x, 0): the form whose interval bounds are exact, unless slope < 0. A positive part is that
    of x / abs(scale), or of its negative.

    Args:
        sums: the tensor x.
        slope: (*shape).
        before: how many values of the net are before it.
        name: of the node, for messages.

    Raises:
        DataError: the tensor is pooled, or its scale is too small for its shift.
    """
    if sums.windows.shape[-1] > 1:
        raise DataError(
            f"{name}: ReLU and PReLU of pooled values are not supported; apply them before pooling"
        )
    flat = sums.scale == 0
    size = np.where(flat, 1.0, np.abs(sums.scale))
    side = np.where(slope > 1, -1, 1)
    with np.errstate(over="ignore"):
        at = -side * sums.shift / size
    if not np.isfinite(at).all():
        raise DataError(f"{name}: its input has a factor too small for float64")
    sign = np.where(sums.scale < 0, -side, side).ravel()
    rows = csr_array(sums.weights[sums.windows.ravel()])
    rows = widened(csr_array(diags_array(sign, dtype=sign.dtype) @ rows), before)
    kept = np.where(np.where(flat, sums.shift >= 0, slope > 1), 1.0, slope)
    positive = identity(sums.shape, 0.0, whole=False, before=before)
    rest = positive.affine((1 - slope) * np.abs(sums.scale), 0.0)
    result = added(sums.affine(kept, 0.0), rest, name)
    steepest, zero = np.maximum(1.0, np.abs(slope)), np.zeros(sums.shape)
    error = rounded(steepest * sums.error, steepest * sums.size, zero, operations=2)
    result = replace(result, error=error, size=steepest * sums.size, step=zero)
    return Rectified(rows, at.ravel()), result


def last(sums: Sums, before: int, name: str) -> Last:
    """Return the layer of logits.

    Args:
        sums: the logits.
        before: how many values the net has.
        name: for messages.

    Raises:
        DataError: there is pooling behind the last weights.
    """
    if sums.windows.shape[-1] > 1:
        raise DataError(f"{name}: pooled logits are not supported")
    columns = (v.ravel() for v in (sums.scale, sums.shift, sums.error))
    return Last(widened(csr_array(sums.weights[sums.windows.ravel()]), before), *columns)
