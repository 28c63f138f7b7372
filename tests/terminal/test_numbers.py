"""Numbers, sizes and durations: they line up and lose nothing."""

import pytest

from brnn.terminal import numbers


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (2.0, "2 s"),
        (119.0, "119 s"),
        (120.0, "2 min"),
        (3600.0, "60 min"),
        (9000.0, "2.5 h"),
    ],
)
def test_durations_have_one_unit(seconds, text):
    assert numbers.duration(seconds) == text


def test_large_sizes_are_in_mebibytes():
    assert numbers.size(2**20 - 103) == "1,023.9 KiB"
    assert numbers.size(2.5 * 2**20) == "2.5 MiB"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (200_704, "200,704"),
        (0.0, "0.0000"),
        (0.89342, "0.8934"),
        (-2.5, "-2.5000"),
        (1e-5, "1e-05"),
        (123_456.0, "1.235e+05"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers_line_up_and_lose_nothing(value, text):
    assert numbers.number(value) == text
