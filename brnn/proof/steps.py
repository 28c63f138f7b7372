"""Step functions of sums: thresholds on these, and on what float32 makes of them."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array, diags_array

from brnn.errors import DataError
from brnn.nets.thresholds import integer_thresholds
from brnn.proof.flows import Pieces, Sums

LARGEST_ROW = 2.0**52  # beyond which float64 holds no halves


def pieces(sums: Sums, cuts: list[tuple[np.ndarray, bool]], values: np.ndarray) -> Pieces:
    """Return a step function of a tensor: a further value from each cut on.

    Args:
        sums: the tensor t.
        cuts: ascending, each one number or those of the elements (*shape); a step is up where
            t >= cut or, where the flag is set, t > cut.
        values: (j + 1,).

    Raises:
        DataError: rounding decides a step that is constant.
    """
    for cut, _ in cuts:
        near = (sums.scale == 0) & (sums.error > 0) & (np.abs(sums.shift - cut) <= sums.error)
        if near.any():
            raise DataError(
                f"{sums.name or 'the input'}: a constant unit is so near to a threshold that"
                " float32 decides, which is not supported"
            )
    columns = [_crossing(sums, cut, strict) for cut, strict in cuts]
    falls = (sums.scale < 0)[..., None]
    stacked = (np.stack(parts, axis=-1) for parts in zip(*columns, strict=True))
    real, at, rise, fall = (np.where(falls[..., None], v[..., ::-1], v) for v in stacked)
    table = np.where(falls, values[::-1], values)
    constant = np.zeros(sums.shape, int)
    for cut, strict in cuts:
        constant += sums.shift > cut if strict else sums.shift >= cut
    flat = (sums.scale == 0)[..., None]
    table = np.where(flat, values[constant][..., None], table)
    return Pieces(sums, real, at, rise, fall, table)


def joined(left: Pieces, right: Pieces, name: str) -> tuple[Pieces, Pieces]:
    """Return two step functions of the same sums with the steps of both.

    Where float32 compares one number, steps are up in the order of their cuts. Where it computes
    two numbers from a sum, rounding may change the order of cuts that are close.

    Raises:
        DataError: they are functions of different sums, or rounding may change the order.
    """
    if not of_same_sums(left, right):
        raise DataError(f"{name}: step functions of different sums cannot be combined")
    first, second = left.sums, right.sums
    one_number = first.number is second.number
    pairs = list(zip(left.thresholds, right.thresholds, strict=True))
    if one_number and all(np.array_equal(*pair) for pair in pairs):
        return left, right
    cuts, at, rise, fall = (np.concatenate(pair, axis=-1) for pair in pairs)
    order = np.lexsort((at[..., 0, :], cuts[..., 0, :]))
    cuts, at, rise, fall = (
        np.take_along_axis(v, order[..., None, :], -1) for v in (cuts, at, rise, fall)
    )
    if any((np.diff(v, axis=-1) < 0).any() for v in (at, rise, fall)):
        raise DataError(f"{name}: the thresholds of a window are not in one order")
    late = np.maximum.accumulate(fall, axis=-1)[..., :-1] >= rise[..., 1:]
    constant = (first.scale == 0) | (second.scale == 0)
    if not one_number and (late & ~constant[..., None, None]).any():
        raise DataError(
            f"{name}: two numbers of one sum are compared with thresholds whose order float32 may"
            " change, which is not supported"
        )
    steps = left.at.shape[-1]
    values = (_spread(left.values, order < steps), _spread(right.values, order >= steps))
    left, right = (Pieces(first, cuts, at, rise, fall, v) for v in values)
    return left, right


def of_same_sums(left: Pieces, right: Pieces) -> bool:
    """Return whether two step functions are of the same rows, whatever their scales and shifts."""
    first, second = left.sums, right.sums
    same = first.weights is second.weights and np.array_equal(first.windows, second.windows)
    return same and np.array_equal(first.offsets, second.offsets)


def _spread(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return values by the number of all steps (..., j + 1), where only `counts` (..., j) count."""
    up = np.cumsum(counts, axis=-1)
    return np.take_along_axis(values, np.concatenate([0 * up[..., :1], up], axis=-1), -1)


def rising(flow: Pieces) -> Pieces:
    """Return a step function without falling values, of the negative sum where they fall.

    It is returned as it is where its sums are pooled.
    """
    falls = np.diff(np.asarray(flow.values, "float64"), axis=-1).sum(axis=-1) < 0
    if not falls.any() or flow.sums.windows.shape[-1] > 1:
        return flow
    sign = np.where(falls, -1, 1).ravel()
    rows = csr_array(flow.sums.weights[flow.sums.windows.ravel()])
    weights = csr_array(diags_array(sign, dtype=sign.dtype) @ rows)
    windows = np.arange(len(sign)).reshape(*flow.shape, 1)
    scale = flow.sums.scale * sign.reshape(flow.shape)
    turned = 1 - flow.at if flow.sums.whole else np.nextafter(-flow.at, np.inf)
    negated = (-flow.cuts, turned, -flow.fall, -flow.rise)
    cuts, at, rise, fall = (
        np.where(falls[..., None, None], v[..., ::-1], before)
        for v, before in zip(negated, flow.thresholds, strict=True)
    )
    values = np.where(falls[..., None], flow.values[..., ::-1], flow.values)
    sums = replace(flow.sums, weights=weights, windows=windows, scale=scale)
    return Pieces(sums, cuts, at, rise, fall, values)


def _crossing(sums: Sums, cut: np.ndarray, strict: bool) -> tuple[np.ndarray, ...]:
    """Return from which rows on a step is up (of a negative scale, down), and bounds on these."""
    if sums.whole:
        return _whole_crossing(sums, cut, strict)
    size = np.abs(sums.scale)
    scale = np.where(size == 0, 1.0, sums.scale)
    threshold = ((cut - sums.shift) / scale)[..., None] - sums.offsets
    error = np.where(size == 0, 0.0, sums.error / np.abs(scale))[..., None]
    open_end = np.not_equal(strict, sums.scale < 0)[..., None]  # up beyond the threshold, not at it
    at = np.where(open_end, np.nextafter(threshold, np.inf), threshold)
    return threshold, at, threshold - error, threshold + error


def _whole_crossing(sums: Sums, cut: np.ndarray, strict: bool) -> tuple[np.ndarray, ...]:
    """Return the same of whole rows: by the exact rule, and by those that rounding may make of it.

    Where the scale is 0 the step is constant, and the rows are of no use.
    """
    scale = np.where(sums.scale == 0, 1.0, sums.scale)
    sign = np.where(scale < 0, -1, 1)[..., None]
    sizes = (sums.size + np.abs(sums.shift)) / np.abs(scale) + np.abs(sums.offsets).max(axis=-1)
    reach = int(np.minimum(sizes, LARGEST_ROW).max(initial=0)) + 1
    error = np.where(sums.scale == 0, 0.0, sums.error)
    compare = np.greater if strict else np.greater_equal

    def first(error: np.ndarray | float) -> np.ndarray:
        """Return the first row of a step, where its tensor is off by an error."""

        def rule(rows: np.ndarray) -> np.ndarray:
            values = scale[..., None] * (sign * rows + sums.offsets)
            bound = np.broadcast_to(cut, sums.shape)[..., None]
            return compare(values + (sums.shift + error)[..., None], bound)

        _, threshold = integer_thresholds(rule, reach, sums.offsets.shape)
        return np.where(sign < 0, 1 - threshold, threshold).astype("float64")

    soon, late = first(error), first(-error)
    threshold = ((cut - sums.shift) / scale)[..., None] - sums.offsets
    return threshold, first(0.0), np.minimum(soon, late), np.maximum(soon, late) - 1
