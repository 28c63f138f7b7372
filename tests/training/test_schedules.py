"""Schedules: the factor on the learning rate at steps worked out by hand."""

import numpy as np
import pytest

from brnn.training import schedules


@pytest.mark.parametrize(
    ("schedule", "keys", "steps", "expected"),
    [
        (schedules.constant, {}, [0, 7, 100], [1, 1, 1]),
        (
            schedules.exponential,
            {"decay": 0.95, "every": 250},
            [0, 125, 250, 500],
            [1, 0.974679, 0.95, 0.9025],
        ),
        (schedules.cosine, {"final": 0.0}, [0, 50, 100], [1, 0.5, 0]),
        (
            schedules.cosine,
            {"final": 0.2},
            [0, 25, 50, 100],
            [1, 0.882843, 0.6, 0.2],
        ),  # 0.2 + 0.4 (1 + cos pi/4)
        (schedules.geometric, {"final": 0.01}, [0, 50, 100], [1, 0.1, 0.01]),
        (schedules.linear, {"final": 3.0}, [0, 25, 100], [1, 1.5, 3]),
        (schedules.quarter_cosine, {"final": 3.0}, [0, 50, 100], [1, 1.585786, 3]),  # 3 - sqrt 2
    ],
)
def test_factor_at_steps_of_a_run_of_100(schedule, keys, steps, expected):
    np.testing.assert_allclose(
        schedule(np.array(steps), 100, **keys), expected, rtol=1e-5, atol=1e-12
    )


def test_exponential_reproduces_the_rate_at_the_end_of_the_original_run():
    rate = 1e-3 * schedules.exponential(np.array([1951]), 1951, decay=0.95, every=250)
    assert rate[0] == pytest.approx(1e-3 * np.exp(1951 / 250 * np.log(0.95)))
    assert rate[0] == pytest.approx(6.7e-4, rel=0.01)
