"""Ranges: what they accept, and how they describe it."""

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brnn.config import ranges, values

NUMBERS = st.one_of(st.integers(-5, 5), st.floats())


@given(NUMBERS)
@settings(max_examples=200)
def test_a_range_accepts_the_numbers_that_it_describes(value):
    whole = isinstance(value, int)
    fits = {
        name: values.fits(value, getattr(ranges, name))
        for name in ("Natural", "Count", "Share", "ProperShare")
    }
    assert fits == {
        "Natural": whole and value >= 0,
        "Count": whole and value >= 1,
        "Share": 0 <= value <= 1,
        "ProperShare": 0 <= value < 1,
    }
    assert values.fits(value, ranges.Positive) == (0 < value < float("inf"))
    assert values.fits(value, ranges.NonNegative) == (0 <= value < float("inf"))
    assert values.fits(value, ranges.Epsilon) == (0 < value <= 1)


NUMERIC = ((int,), (float,))  # first arguments of an annotation


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("max a/b", True),
        ("min a", True),
        ("a/b", False),
        ("max", False),
        ("top a", False),
        (1, False),
    ],
)
def test_a_metric_direction_is_a_direction_and_a_metric(value, fits):
    assert values.fits(value, ranges.MetricDirection) == fits


@pytest.mark.parametrize(
    "name", [name for name, value in vars(ranges).items() if get_args(value)[:1] in NUMERIC]
)
def test_a_range_describes_itself_and_refuses_bool_text_null_and_list(name):
    annotation = getattr(ranges, name)
    assert values.describe(annotation) == annotation.__metadata__[0]
    assert not any(values.fits(value, annotation) for value in (True, "1", None, [1]))
    assert values.fits(1 if name != "ProperShare" else 0.5, annotation)
