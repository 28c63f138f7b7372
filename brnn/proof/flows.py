"""What flows between the nodes of a graph: sums that are still real, and pieces of them.

All arrays have the shape of the tensor, the batch axis of 1 included; further axes follow. A value
in float32 differs from that in exact arithmetic by at most `error`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import csr_array, diags_array

from brnn.errors import DataError
from brnn.proof.columns import widened
from brnn.proof.numbers import OPERATIONS, check_range, flushed, lowest_power, rounded

LARGEST_WEIGHT = 2**15  # of whole weights in multiples of their unit


@dataclass(frozen=True)
class Sums:
    """A tensor scale * sum + shift, where a sum is the maximum over a window of rows.

    Args:
        weights: (m, k), the rows weights @ values, where the values are the inputs of the net and
            those of its layers so far.
        whole: whether the rows are whole numbers.
        windows: (*shape, w) the rows whose maximum is the sum.
        offsets: (*shape, w) what is added to each row before; 0 without pooling.
        scale: (*shape).
        shift: (*shape).
        error: (*shape) bound on the rounding of float32.
        size: (*shape) bound on the sum of the absolute values of its terms.
        step: (*shape) a power of two of which all terms are multiples, and so the partial sums in
            whatever order they are added; 0 if there is none.
        number: the same object for tensors of the same numbers in float32, in any order.
        name: of the node with the weights; empty for the input of the net.

    Raises:
        DataError: a sum may leave the range of float32.
    """

    weights: csr_array
    whole: bool
    windows: np.ndarray
    offsets: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    error: np.ndarray
    size: np.ndarray
    step: np.ndarray
    number: object = field(default_factory=object, kw_only=True)
    name: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        check_range(self.name or "the input", self.size + self.error)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.scale.shape

    def arranged(self, order: np.ndarray) -> "Sums":
        """Return the tensor whose elements have these flat positions in this one."""
        arrays = (
            self.windows,
            self.offsets,
            self.scale,
            self.shift,
            self.error,
            self.size,
            self.step,
        )
        moved = [_taken(array, self.shape, order) for array in arrays]
        return Sums(self.weights, self.whole, *moved, number=self.number, name=self.name)

    def affine(
        self, factor: np.ndarray | float, summand: np.ndarray | float, operations: int = 1
    ) -> "Sums":
        """Return factor * this + summand, as so many operations in float32 compute it.

        A single product by -1 or 1 is exact.
        """
        scale, shift = factor * self.scale, factor * self.shift + summand
        size = np.abs(factor) * self.size + np.abs(summand)
        power, other = (lowest_power(np.asarray(v, "float64")) for v in (factor, summand))
        step = np.minimum(_products(power, self.step), other)
        single = (self.offsets == 0).all(axis=-1) & (operations == 1)
        step = np.where(single, step, 0.0)
        exact = (operations == 1) & (np.abs(factor) == 1) & (np.asarray(summand) == 0)
        error = np.abs(factor) * self.error + flushed(np.asarray(factor)) * self.size
        error = rounded(error, size, step, np.where(exact, 0, operations))
        columns = {"scale": scale, "shift": shift, "error": error, "size": size, "step": step}
        return replace(self, **columns, number=object())


@dataclass(frozen=True)
class Pieces:
    """A tensor of step functions of sums.

    Args:
        sums: of which these are functions.
        cuts: (*shape, w, j) thresholds as real numbers, ascending.
        at: (*shape, w, j) a step is up where a row of its window is at least this.
        rise: (*shape, w, j) least rows at which a step may be up in float32.
        fall: (*shape, w, j) largest rows at which it may be down.
        values: (*shape, j + 1) by the number of steps that are up; of any type of the graph.
    """

    sums: Sums
    cuts: np.ndarray
    at: np.ndarray
    rise: np.ndarray
    fall: np.ndarray
    values: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sums.shape

    def arranged(self, order: np.ndarray) -> "Pieces":
        """Return the tensor whose elements have these flat positions in this one."""
        arrays = (_taken(v, self.shape, order) for v in (*self.thresholds, self.values))
        return Pieces(self.sums.arranged(order), *arrays)

    @property
    def thresholds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Cuts, at, rise and fall."""
        return self.cuts, self.at, self.rise, self.fall

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> "Pieces":
        """Return a function of this tensor, element by element."""
        return replace(self, values=function(self.values))


@dataclass(frozen=True)
class Sizes:
    """The absolute values of a tensor.

    Args:
        sums: the tensor.
    """

    sums: Sums

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sums.shape

    def arranged(self, order: np.ndarray) -> "Sizes":
        """Return the tensor whose elements have these flat positions in this one."""
        return Sizes(self.sums.arranged(order))


Flow = Sums | Pieces | Sizes


def identity(shape: tuple[int, ...], size: float, whole: bool, before: int = 0) -> Sums:
    """Return a tensor whose elements are values of the net, of absolute sizes up to `size`.

    Args:
        shape: of the tensor.
        size: bound on the values.
        whole: whether they are whole numbers.
        before: the position of the first value in the net.
    """
    count = int(np.prod(shape))
    zeros = np.zeros(shape)
    entries = (np.ones(count, "int64"), (np.arange(count), before + np.arange(count)))
    weights = csr_array(entries, shape=(count, before + count))
    windows = np.arange(count).reshape(*shape, 1)
    offsets = np.zeros(windows.shape)
    columns = (zeros + 1, zeros, zeros, zeros + size, zeros + whole)
    return Sums(weights, whole, windows, offsets, *columns)


def pixels(shape: tuple[int, ...], largest: float, whole: bool, divisor: float) -> Sums:
    """Return the tensor of a net's input: pixels of sizes up to `largest`, by `divisor`.

    It may be computed as a division, or as a product with the float32 next to 1 / divisor.
    """
    values = identity(shape, largest, whole)
    return values if divisor == 1 else values.affine(1 / divisor, 0.0, operations=2)


def linear(taps: csr_array, sums: Sums, shape: tuple[int, ...], name: str) -> Sums:
    """Return taps @ tensor as a tensor of a shape.

    Args:
        taps: (outputs, elements of the tensor), in float64.
        sums: the tensor, without pooling.
        shape: of the result, of as many elements as outputs.
        name: of the node, for messages.

    Raises:
        DataError: the tensor is pooled.
    """
    if sums.windows.shape[-1] > 1:
        raise DataError(f"{name}: a sum of pooled values without a sign between is not supported")
    scale, shift, size, error = (v.ravel() for v in (sums.scale, sums.shift, sums.size, sums.error))
    weights = csr_array(
        taps @ diags_array(scale) @ sums.weights[sums.windows.ravel()].astype("float64")
    )
    weights.eliminate_zeros()
    weights, unit = _whole_weights(weights)
    lost = csr_array((flushed(taps.data), taps.indices, taps.indptr), shape=taps.shape)
    total, error = abs(taps) @ size, abs(taps) @ error + lost @ size
    count = np.diff(taps.indptr)
    whole = sums.whole and weights.dtype == "int64"
    step = np.full(len(unit), np.inf if whole else 0.0)
    terms = _products(lowest_power(taps.data), sums.step.ravel()[taps.indices])
    np.minimum.at(step, np.repeat(np.arange(len(unit)), count), terms)
    error = rounded(error, total, step, count + OPERATIONS)
    windows = np.arange(len(unit)).reshape(*shape, 1)
    columns = (unit, taps @ shift, error, total, step)
    offsets = np.zeros(windows.shape)
    arrays = (v.reshape(shape) for v in columns)
    return Sums(weights, whole, windows, offsets, *arrays, name=name)


def added(left: Sums, right: Sums, name: str) -> Sums:
    """Return the sum of two tensors of one shape.

    A runtime may join the addition with those of the products before it.

    Args:
        left: a tensor without pooling.
        right: another one.
        name: of the node, for messages.

    Raises:
        DataError: a tensor is pooled, or the shapes differ.
    """
    if left.shape != right.shape:
        raise DataError(
            f"{name}: tensors of shapes {left.shape} and {right.shape} are added; they must have"
            " the same shape"
        )
    columns = max(left.weights.shape[1], right.weights.shape[1])
    weights, count = csr_array((left.scale.size, columns)), np.zeros(left.scale.size)
    for sums in (left, right):
        if sums.windows.shape[-1] > 1:
            raise DataError(
                f"{name}: a sum of pooled values without a sign between is not supported"
            )
        rows = widened(csr_array(sums.weights[sums.windows.ravel()]), columns)
        weights, count = (
            weights + diags_array(sums.scale.ravel()) @ rows,
            count + np.diff(rows.indptr),
        )
    weights = csr_array(weights)
    weights.eliminate_zeros()
    weights, unit = _whole_weights(weights)
    whole = left.whole and right.whole and weights.dtype == "int64"
    unit, shift, size = unit.reshape(left.shape), left.shift + right.shift, left.size + right.size
    error, step = left.error + right.error, np.minimum(left.step, right.step)
    error = rounded(error, size, step, count.reshape(unit.shape) + OPERATIONS)
    windows = np.arange(unit.size).reshape(*unit.shape, 1)
    offsets = np.zeros(windows.shape)
    return Sums(weights, whole, windows, offsets, unit, shift, error, size, step, name=name)


def _products(powers: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the products of powers of two, of which one is infinity where a factor is 0."""
    return np.where(np.isinf(powers), np.inf, np.where(np.isinf(powers), 1.0, powers) * steps)


def _whole_weights(weights: csr_array) -> tuple[csr_array, np.ndarray]:
    """Return weights as whole multiples of a unit for each row; as they are if there is none."""
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    sizes = np.abs(weights.data)
    unit = np.full(weights.shape[0], np.inf)
    np.minimum.at(unit, rows, sizes)
    unit[np.isinf(unit)] = 1.0
    ratios = sizes / unit[rows]
    odd = np.zeros(len(unit), bool)
    np.logical_or.at(odd, rows, (ratios != np.rint(ratios)) | (ratios * unit[rows] != sizes))
    power = np.full(len(unit), np.inf)
    np.minimum.at(power, rows, lowest_power(sizes))
    unit = np.where(odd, power, unit)
    ratios = weights.data / unit[rows]
    if np.abs(ratios).max(initial=0) > LARGEST_WEIGHT:
        return weights, np.ones(len(unit))
    whole = (np.rint(ratios).astype("int64"), weights.indices, weights.indptr)
    return csr_array(whole, shape=weights.shape), unit


def _taken(array: np.ndarray, shape: tuple[int, ...], order: np.ndarray) -> np.ndarray:
    """Return elements of the leading axes, chosen by their flat positions."""
    return array.reshape(-1, *array.shape[len(shape) :])[order]
