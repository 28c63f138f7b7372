"""The rounding of float32, and whole numbers in floating point."""

import numpy as np

UNIT = 2.0**-24  # relative rounding of float32
EXACT = 2.0**24  # whole numbers up to here are exact in float32
SMALLEST = 2.0**-126  # numbers of float32 below it are rounded, or taken as 0
RELATIVE = 1e-5  # by which rows of real numbers are relaxed, of their largest coefficient
OPERATIONS = 12  # more than a normalization and a bias add to those of a sum


def lowest_power(values: np.ndarray) -> np.ndarray:
    """Return the largest power of two of which each value is a multiple; infinity for 0."""
    mantissa, exponent = np.frexp(values)
    whole = (mantissa * 2.0**53).astype("int64")
    lowest = np.ldexp((whole & -whole).astype("float64"), exponent - 53)
    return np.where(values == 0, np.inf, lowest)
