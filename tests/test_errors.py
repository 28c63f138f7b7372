"""Helpers for the messages of errors."""

import pytest

from brnn.errors import did_you_mean


@pytest.mark.parametrize(
    ("given", "valid", "similar"),
    [
        ("epohcs", ["epochs", "batch_size"], "epochs"),
        ("mpl", ["simple", "mlp", "mut1"], "mlp"),  # both 2/3 similar: 4/6 and 6/9
        ("simpel", ["simple", "mlp"], "simple"),
    ],
)
def test_the_most_similar_name_is_suggested(given, valid, similar):
    assert did_you_mean(given, valid) == f"; did you mean {similar}?"


@pytest.mark.parametrize("valid", [[], ["epochs"]])
def test_nothing_is_suggested_where_nothing_is_similar(valid):
    assert did_you_mean("xyz", valid) == ""
