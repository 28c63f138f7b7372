"""The rounding of float32, and whole numbers in floating point."""

import numpy as np

from brnn.errors import DataError

UNIT = 2.0**-24  # relative rounding of float32
EXACT = 2.0**24  # whole numbers up to here are exact in float32
LARGEST = 2.0**100  # far below the largest number of float32, so that no part of a sum is above it
SMALLEST = 2.0**-126  # numbers of float32 below it are rounded, or taken as 0
RELATIVE = 1e-5  # by which rows of real numbers are relaxed, of their largest coefficient
OPERATIONS = 12  # more than a normalization and a bias add to those of a sum


def lowest_power(values: np.ndarray) -> np.ndarray:
    """Return the largest power of two of which each value is a multiple; infinity for 0."""
    mantissa, exponent = np.frexp(values)
    whole = (mantissa * 2.0**53).astype("int64")
    lowest = np.ldexp((whole & -whole).astype("float64"), exponent - 53)
    return np.where(values == 0, np.inf, lowest)


def flushed(values: np.ndarray) -> np.ndarray:
    """Return the sizes of numbers that a runtime may take as 0; 0 for others."""
    sizes = np.abs(values)
    return np.where(sizes < SMALLEST, sizes, 0.0)


def rounded(
    error: np.ndarray, size: np.ndarray, step: np.ndarray, operations: np.ndarray | int
) -> np.ndarray:
    """Return the bound on the rounding of float32 after further operations.

    They are exact where nothing was rounded before, and all partial results are multiples of `step`
    that float32 holds.

    Args:
        error: the bound before.
        size: of the terms, see `brnn.proof.flows.Sums`.
        step: see there.
        operations: how many.
    """
    held = (size <= EXACT * step) & (step >= SMALLEST) | (size == 0)
    exact = (error == 0) & held
    return error + np.where(exact, 0.0, operations * (UNIT * (size + error) + SMALLEST))


def check_range(name: str, *sizes: np.ndarray) -> None:
    """Check that numbers of such sizes are far from the end of the range of float32.

    Raises:
        DataError: they are not; the message names the node.
    """
    for values in sizes:
        if not (values < LARGEST).all():
            raise DataError(
                f"{name}: its numbers may be above {LARGEST:.1e}, which is not supported"
            )
