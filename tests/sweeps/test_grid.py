"""Grids: every combination of values, in order."""

import pytest

from brnn.errors import ConfigError
from brnn.sweeps.grid import grid_jobs


def test_a_grid_has_every_combination_in_order_without_duplicates(overrides):
    assert grid_jobs(overrides("a=1,2", "b=x", "c=range(2)"), []) == [
        ["a=1", "b=x", "c=0"],
        ["a=1", "b=x", "c=1"],
        ["a=2", "b=x", "c=0"],
        ["a=2", "b=x", "c=1"],
    ]
    assert grid_jobs(overrides("a=1,2,1"), []) == [["a=1"], ["a=2"]]


@pytest.mark.parametrize("zipped", [["a", "b"], [["a", "b"]]])
def test_values_of_zipped_keys_advance_together(overrides, zipped):
    assert grid_jobs(overrides("a=1,2", "c=5,6", "b=x,y"), zipped) == [
        ["a=1", "b=x", "c=5"],
        ["a=1", "b=x", "c=6"],
        ["a=2", "b=y", "c=5"],
        ["a=2", "b=y", "c=6"],
    ]


def test_several_groups_of_keys_may_be_zipped(overrides):
    jobs = grid_jobs(overrides("a=1,2", "b=x,y", "c=5,6", "d=7,8"), [["a", "b"], ["c", "d"]])
    assert jobs[:2] == [["a=1", "b=x", "c=5", "d=7"], ["a=1", "b=x", "c=6", "d=8"]]
    assert len(jobs) == 4


@pytest.mark.parametrize(
    ("lines", "counts"),
    [(["a=1,2", "b=x,y,z"], "a has 2, b has 3"), (["a=1,2"], "a has 2, b has 0")],
)
def test_zipped_keys_need_equally_many_values(overrides, lines, counts):
    message = f"hydra.sweeper.zip: keys need equally many values, but {counts}"
    with pytest.raises(ConfigError, match=message):
        grid_jobs(overrides(*lines), ["a", "b"])


def test_a_grid_has_no_intervals(overrides):
    with pytest.raises(ConfigError, match=r"a=interval\(0,1\): .* needs hydra/sweeper=optuna"):
        grid_jobs(overrides("a=interval(0,1)"), [])
