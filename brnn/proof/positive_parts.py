"""Rows that link the positive parts of sums, max(sum, 0), to the variables before them.

Where a box leaves the sign of a sum open, its positive part is top * u, where u is a variable
within [0, 1] and `top` the largest sum, and a binary z is 1 where the sum is above 0. With `bottom`
as the least sum:

    sum <= top u,    top u <= sum - bottom (1 - z),    u <= z.

The first two rows are divided by their largest coefficient, and relaxed; the third is exact.

References:
    Tjeng, Xiao and Tedrake 2019, arXiv:1711.07356.
"""

from functools import cache

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array

from brnn.proof.box import Reach
from brnn.proof.columns import widened
from brnn.proof.integer_net import Rectified
from brnn.proof.rows import DOWN, UP, Affine, Links, Rows, Variables, largest


def positive_parts(
    layer: Rectified,
    reach: Reach,
    inputs: Affine,
    variables: Variables,
    clean: np.ndarray,
    relative: float,
) -> Links:
    """Return what a layer of positive parts adds to a program.

    Args:
        layer: the layer.
        reach: its bounds.
        inputs: all values before it, as functions of the variables.
        variables: those so far.
        clean: (k,) all values before the layer at the center of the box.
        relative: by which rows are relaxed.
    """
    matrix, shift = inputs.of(layer.weights)
    shift, bottom, top = shift - layer.at, reach.low - layer.at, reach.high - layer.at
    unit = np.flatnonzero((bottom < 0) & (top > 0))
    bottom, top = bottom[unit], top[unit]
    count, index = len(unit), np.arange(len(unit))
    part = variables.count + index
    step = part + count
    center = np.clip((layer.weights @ clean - layer.at)[unit] / top, 0, 1)
    variables = variables.followed_by(center, binary=False).followed_by(center > 0, binary=True)

    def coefficients(*columns: tuple[np.ndarray, np.ndarray]) -> csr_array:
        """Return a row for each open sum, from coefficients (count,) and their variables."""
        data, indices = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        entries = (data, (np.tile(index, len(columns)), indices))
        return csr_array(coo_array(entries, (count, variables.count)))

    @cache
    def rows() -> tuple[Rows, ...]:
        sums, constant = widened(csr_array(matrix[unit]), variables.count), shift[unit]
        divisor = largest(sums, np.maximum(top, -bottom))
        scale, ones, upward = diags_array(1 / divisor), np.ones(count), np.full(count, UP)
        above = csr_array(scale @ (coefficients((top, part)) - sums))
        below = csr_array(scale @ (sums + coefficients((-top, part), (bottom, step))))
        return (
            Rows(above, constant / divisor - relative, part, np.full(count, DOWN)),
            Rows(below, (bottom - constant) / divisor - relative, part, upward),
            Rows(coefficients((ones, step), (-ones, part)), np.zeros(count), part, upward),
        )

    positive = reach.low >= layer.at
    values = coo_array((top, (unit, part)), (len(layer.at), variables.count))
    kept = diags_array(positive.astype("float64")) @ widened(matrix, variables.count)
    outputs = Affine(csr_array(kept + values), np.where(positive, shift, 0.0))
    return Links(rows, outputs, variables)
