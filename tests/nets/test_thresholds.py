"""Whole thresholds decide as the rules that they are found from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brnn.nets.thresholds import integer_thresholds

REACH = 9
SUMS = np.arange(-REACH, REACH + 1)


def decisions(rule, units):
    """What thresholds and rule say of all sums, each (2 REACH + 1, units)."""
    sign, threshold = integer_thresholds(rule, REACH, units)
    grid = np.tile(SUMS[:, None], (1, units))
    return sign * grid >= threshold, np.stack([rule(sums) for sums in grid])


def test_thresholds_by_hand():
    # 2 s - 3 >= 0 from s = 1.5, so from 2 on; -s + 4 >= 0 up to 4, so -s >= -4; 0 s + 1 always;
    # 0 s - 1 never; s >= 0 from 0 on, the sign of 0 being +1
    slope, offset = np.array([2, -1, 0, 0, 1]), np.array([-3, 4, 1, -1, 0])
    sign, threshold = integer_thresholds(lambda s: slope * s + offset >= 0, REACH, 5)
    assert sign.tolist() == [1, -1, 1, 1, 1]
    assert threshold.tolist() == [2, -4, -REACH, REACH + 1, 0]


NUMBERS = st.floats(-12, 12, width=32)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=5))
def test_thresholds_decide_as_a_float32_rule_on_every_sum(pairs):
    slope, offset = np.array(pairs, "float32").T

    def rule(sums):
        return sums.astype("float32") * slope + offset >= 0

    by_threshold, by_rule = decisions(rule, len(pairs))
    assert np.array_equal(by_threshold, by_rule)


@pytest.mark.parametrize("above", [1.0, np.nextafter(np.float32(1), np.float32(0))])
def test_the_rounding_of_the_rule_is_part_of_the_threshold(above):
    # float32(s / 3) * 3 - above: at s = 1 it is exactly 0, or just above it
    _, threshold = integer_thresholds(
        lambda s: (s / np.float32(3)).astype("float32") * np.float32(3) - np.float32(above) >= 0,
        REACH,
        1,
    )
    assert threshold == [1]
