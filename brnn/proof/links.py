"""The rows that link the steps of a layer to what is before it.

Variables v are pixels, each within [0, width], in L0 and L1 the sizes of their changes, positive
parts of sums (see `positive_parts`), and binaries: steps of units, 1 where a step is up.
A unit is an affine function of its steps, so that all sums are affine functions of variables. A
step z that the box leaves open has two kinds of rows.

    up:    z = 1 calls for  sum >= rise    as  sum >= least + (rise - least) z
    down:  z = 0 calls for  sum <= fall    as  sum <= fall + (most - fall) z

Where all variables of a whole sum are binaries, a third row is stronger in the relaxation: a step
that differs from that at the center of the box needs enough changes of those that help it,

    cover:  sum over helpful changes of min(weight, need) * change >= need * (change of z).

Sums of one parity, or multiples of another number, never lie between two of these: rise and fall
are moved onto them. Then rows of whole numbers are relaxed by `SLACK`, far more than the tolerance
of a solver in floating point and less than the distance to the next whole number, so that no
solution in whole numbers is lost and none is added. Other rows are divided by their largest
coefficient and relaxed by `RELATIVE`, except where solutions are to hold in the net.

References:
    Khalil, Gupta and Dilkina 2019, arXiv:1810.03538; covers of Crowder, Johnson and Padberg 1983,
    Operations Research 31.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array

from brnn.proof.box import Reach, open_steps
from brnn.proof.columns import widened
from brnn.proof.integer_net import Carried, Hidden, Layer, Rectified
from brnn.proof.positive_parts import positive_parts
from brnn.proof.rows import ALWAYS, DOWN, UP, Affine, Links, Rows, Variables, largest

SLACK = 1e-3  # by which rows of whole numbers are relaxed, in the unit of their sums


class Demands(NamedTuple):
    """What active literals call for: sums that are at least, or at most, thresholds.

    Attributes:
        side: 1 for sum >= threshold, -1 for sum <= threshold.
        row: (d,) which sum.
        threshold: (d,).
        literal: (d,) the binary that is active as 1 on the upper side, as 0 on the lower one.
        step: (d,) the step that calls for it.
    """

    side: int
    row: np.ndarray
    threshold: np.ndarray
    literal: np.ndarray
    step: np.ndarray


def link(
    layer: Layer,
    reach: Reach,
    inputs: Affine,
    variables: Variables,
    clean: np.ndarray,
    relative: float,
) -> Links:
    """Return what a layer adds to a program.

    Args:
        layer: the layer.
        reach: its bounds.
        inputs: all values before it, as functions of the variables.
        variables: those so far.
        clean: (k,) all values before the layer at the center of the box.
        relative: by which rows of real numbers are relaxed.
    """
    if isinstance(layer, Carried):
        return Links(tuple, inputs.of(layer.weights), variables)
    if isinstance(layer, Rectified):
        return positive_parts(layer, reach, inputs, variables, clean, relative)
    return _steps(layer, reach, inputs, variables, clean, relative)


def _steps(
    layer: Hidden,
    reach: Reach,
    inputs: Affine,
    variables: Variables,
    clean: np.ndarray,
    relative: float,
) -> Links:
    """Return the open steps of a layer, and the rows that link them to what is before them."""
    heights = np.diff(layer.values, axis=1)
    unit, number = np.nonzero(open_steps(layer, reach))
    first = variables.count + np.arange(len(unit))
    sums = layer.weights @ clean
    at = layer.at[unit, :, number]
    variables = variables.followed_by((sums[layer.windows[unit]] >= at).any(axis=1), binary=True)

    step = np.repeat(np.arange(len(unit)), layer.windows.shape[1])
    row = layer.windows[unit].ravel()
    rise, fall = layer.rise[unit, :, number].ravel(), layer.fall[unit, :, number].ravel()
    rises, exceeds = reach.high[row] >= rise, reach.high[row] > fall
    literal, chosen = first[step], first[step][rises]
    pooled = layer.windows.shape[1] > 1  # a step that is up needs one sum of its window above
    if pooled:
        literal[rises] = variables.count + np.arange(rises.sum())
        variables = variables.followed_by(sums[row[rises]] >= at.ravel()[rises], binary=True)
    above = Demands(1, row[rises], rise[rises], literal[rises], chosen)
    upper = first[step][exceeds]
    below = Demands(-1, row[exceeds], fall[exceeds], upper, upper)

    @cache
    def rows() -> tuple[Rows, ...]:
        given = [_ordered(unit, first, variables.count)]
        if pooled:
            given.append(_some(first, chosen, literal[rises], variables.count))
        for demands in (above, below):
            given += _implied(layer, reach, inputs, demands, variables, relative)
        return tuple(given)

    shape = (len(layer.values), variables.count)
    matrix = csr_array(coo_array((heights[unit, number], (unit, first)), shape), dtype="float64")
    lowest = layer.values[np.arange(len(layer.values)), reach.up.sum(axis=1)]
    return Links(rows, Affine(matrix, lowest.astype("float64")), variables)


def _implied(
    layer: Hidden,
    reach: Reach,
    inputs: Affine,
    demands: Demands,
    variables: Variables,
    relative: float,
) -> list[Rows]:
    """Return the rows of demands: for each what its literal calls for, and perhaps a cover."""
    side, row, threshold = demands.side, demands.row, demands.threshold
    matrix, shift = inputs.of(csr_array(side * layer.weights[row].astype("float64")))
    least = reach.low[row] if side > 0 else -reach.high[row]
    need = side * threshold
    binary = abs(matrix) @ ~variables.binary[: matrix.shape[1]] == 0
    if layer.whole:
        divisor = np.where(binary, _divisors(matrix), 1.0)
        need = shift + divisor * np.ceil((need - shift) / divisor)
    else:
        divisor = largest(matrix, need - least)
    slack = (SLACK if layer.whole else relative) * divisor
    rows = [_rows(demands, matrix, need - least, least - shift - slack, variables.count, divisor)]
    if layer.whole:
        now = matrix @ variables.center[: matrix.shape[1]] + shift
        short = np.where(binary, need - now, 0)
        rows.append(_cover(demands, matrix, short, variables.center, divisor))
    return rows


def _cover(
    demands: Demands, matrix: csr_array, need: np.ndarray, center: np.ndarray, divisor: np.ndarray
) -> Rows:
    """Return rows by which an active literal needs enough changes that help it."""
    short = need > 0
    matrix, need, divisor = csr_array(matrix[short]), need[short], divisor[short]
    owner = np.repeat(np.arange(len(need)), np.diff(matrix.indptr))
    direction = 1 - 2 * center[matrix.indices]  # of the change of each variable
    helpful = matrix.data * direction > 0
    size = np.where(helpful, np.minimum(np.abs(matrix.data), need[owner]), 0.0)
    covers = csr_array((size * direction, matrix.indices, matrix.indptr), shape=matrix.shape)
    covers.eliminate_zeros()
    offset = np.bincount(owner, size * (direction < 0), minlength=len(need))
    literal, step = demands.literal[short], demands.step[short]
    chosen = Demands(demands.side, demands.row[short], need, literal, step)
    return _rows(chosen, covers, need, -offset - SLACK * divisor, len(center), divisor)


def _rows(
    demands: Demands,
    matrix: csr_array,
    need: np.ndarray,
    least: np.ndarray,
    columns: int,
    divisor: np.ndarray,
) -> Rows:
    """Return rows matrix @ v >= least + need * (1 where the literal is active), divided."""
    active = -need if demands.side > 0 else need
    least = least + (0.0 if demands.side > 0 else need)
    count = len(need)
    literals = csr_array((active, (np.arange(count), demands.literal)), shape=(count, columns))
    value = UP if demands.side > 0 else DOWN
    scale = diags_array(1 / divisor)
    return Rows(
        csr_array(scale @ (widened(matrix, columns) + literals)),
        least / divisor,
        demands.step,
        np.full(count, value),
    )


def _some(variables: np.ndarray, step: np.ndarray, helper: np.ndarray, columns: int) -> Rows:
    """Return rows by which a step that is up needs one of its helpers."""
    count = len(variables)
    row_of_step = step - variables[0] if count else step
    data = np.concatenate([np.ones(len(step)), -np.ones(count)])
    row, column = (
        np.concatenate([row_of_step, np.arange(count)]),
        np.concatenate([helper, variables]),
    )
    matrix = csr_array((data, (row, column)), shape=(count, columns))
    return Rows(matrix, np.zeros(count), variables, np.full(count, UP))


def _ordered(unit: np.ndarray, variables: np.ndarray, columns: int) -> Rows:
    """Return rows by which a step is up only where the one before it, of the same unit, is."""
    first = np.flatnonzero(unit[1:] == unit[:-1])
    count = len(first)
    row = np.repeat(np.arange(count), 2)
    column = np.stack([variables[first], variables[first + 1]], axis=1).ravel()
    matrix = csr_array((np.tile([1.0, -1.0], count), (row, column)), shape=(count, columns))
    return Rows(matrix, np.zeros(count), variables[first], np.full(count, ALWAYS))


def _divisors(matrix: csr_array) -> np.ndarray:
    """Return the greatest common divisor of each row of whole numbers; 1 for an empty one."""
    counts = np.diff(matrix.indptr)
    divisors = np.ones(matrix.shape[0])
    filled = np.flatnonzero(counts)
    if len(filled):
        sizes = np.abs(matrix.data).astype("int64")
        divisors[filled] = np.gcd.reduceat(sizes, matrix.indptr[filled])
    return divisors
