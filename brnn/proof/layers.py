"""Tensors of a net as its layers."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from brnn.errors import DataError
from brnn.proof.columns import widened
from brnn.proof.flows import LARGEST_WEIGHT, Pieces, Sums, identity
from brnn.proof.integer_net import Carried, Hidden, Last


def close(flow: Pieces, before: int, name: str) -> tuple[Hidden, Sums]:
    """Return a hidden layer, and the tensor of its units as sums of themselves.

    Args:
        flow: the units.
        before: how many values of the net are before them.
        name: of the node that reads them, for messages.

    Raises:
        DataError: their values are not small multiples of one number.
    """
    steps, count = flow.at.shape[-1], int(np.prod(flow.shape))
    values = np.asarray(flow.values, "float64")
    unit = np.abs(values[values != 0]).min(initial=1.0) if not (np.abs(values) == 1).any() else 1.0
    whole = np.rint(values / unit)
    small = np.isfinite(values).all() and np.abs(whole).max(initial=0) <= LARGEST_WEIGHT
    if not small or not np.array_equal(whole * unit, values):
        raise DataError(f"{name}: its inputs are not small multiples of one number")
    at, rise, fall = (v.reshape(count, -1, steps) for v in (flow.at, flow.rise, flow.fall))
    table = whole.reshape(count, steps + 1).astype("int64")
    windows = flow.sums.windows.reshape(count, -1)
    weights = widened(flow.sums.weights, before)
    hidden = Hidden(weights, flow.sums.whole, windows, at, rise, fall, table)
    sums = identity(flow.shape, float(np.abs(whole).max(initial=0)), whole=True, before=before)
    return hidden, sums.affine(float(unit), 0.0)


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
