"""Rules on real numbers as thresholds on whole ones.

An exported net decides by the one rule that the evaluation of its run computes in float32. A proof
holds for every order in which a runtime may round, so that it takes two rules: how soon a sum may
meet a step, and how late. Between them lies the threshold of the export
(`tests/proof/test_steps.py`).
"""

from collections.abc import Callable

import numpy as np


def integer_thresholds(
    rule: Callable[[np.ndarray], np.ndarray], reach: int, shape: int | tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the thresholds on whole sums that decide as a rule does, found by bisection.

    For each sum s with |s| <= reach, rule(s) is true exactly where sign * s >= threshold. A rule
    that always holds has the threshold -reach, one that never holds reach + 1.

    Args:
        rule: maps sums (*shape) to booleans (*shape), each of which changes at most once as its sum
            grows: the float32 computation of the net, so that its rounding is part of the result.
        reach: the largest size of a sum.
        shape: of the sums, such as the number of units.

    Returns:
        sign: (*shape) int8; -1 where the rule holds for small sums, as with a negative gamma of
            batch normalization, else 1.
        threshold: (*shape) int64.
    """
    ends = np.full(shape, reach, "int64")
    sign = np.where(rule(-ends) & ~rule(ends), -1, 1)
    low, high = -ends, ends + 1  # the threshold lies in [low, high]
    while (low < high).any():
        middle = (low + high) // 2  # below high, unless the search of a unit has ended
        holds = rule(sign * middle) | (low == high)
        low, high = np.where(holds, low, middle + 1), np.where(holds, middle, high)
    return sign.astype("int8"), high
