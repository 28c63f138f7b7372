"""The search for the smallest change: on oracles by hand, and on nets against all images."""

import math

import numpy as np
import pytest

from brnn.proof.decide import SAT, TIMEOUT, UNSAT, Verdict
from brnn.proof.minimal import FACTOR, Search, minimal


def oracle(smallest, undecided=(math.inf, -math.inf), overshoot=1.0, tried=None):
    """Decides radii, but for some, by the smallest change; a witness may be larger than that."""

    def decide(radius, seconds):
        if tried is not None:
            tried.append(radius)
        if undecided[0] <= radius <= undecided[1]:
            return Verdict(TIMEOUT, 0.0), math.inf
        if radius < smallest:
            return Verdict(UNSAT, 0.0), math.inf
        distance = min(radius, smallest * overshoot)
        return Verdict(SAT, 0.0, witness=np.array([distance])), distance

    return decide


@pytest.mark.parametrize("start", [1, 3, 40, 255])
@pytest.mark.parametrize("smallest", [1, 2, 7, 100, 255])
@pytest.mark.parametrize("overshoot", [1.0, 3.0])
def test_a_whole_radius_is_found_exactly(smallest, start, overshoot):
    search, tried = Search(whole=True, largest=255), []
    verdict = minimal(oracle(smallest, overshoot=overshoot, tried=tried), start, search, 60.0)
    assert verdict.radius == (smallest - 1, smallest)
    assert search.proved
    assert verdict.status == (SAT if smallest <= start else UNSAT)
    assert verdict.witness == smallest
    assert len(set(tried)) == len(tried) <= 14
    assert all(radius == int(radius) and 1 <= radius <= 255 for radius in tried)


@pytest.mark.parametrize("start", [0.001, 0.1, 1.0])
@pytest.mark.parametrize("smallest", [0.0004, 0.03, 0.99])
def test_a_real_radius_is_found_up_to_a_factor(smallest, start):
    search = Search(whole=False, largest=1.0)
    verdict = minimal(oracle(smallest), start, search, 60.0)
    low, high = verdict.radius
    assert low < smallest <= high <= low * FACTOR
    assert search.proved


@pytest.mark.parametrize("whole", [True, False])
def test_a_net_that_nothing_breaks_is_proved_up_to_the_largest_radius(whole):
    search = Search(whole, largest=100)
    verdict = minimal(oracle(math.inf), 3, search, 60.0)
    assert verdict.radius == (100, math.inf)
    assert (verdict.status, verdict.witness) == (UNSAT, None)


@pytest.mark.parametrize(
    ("undecided", "bounds"),
    [
        ((0.99, 1.005), (0.917, 1.00871)),  # the middle is undecided, and what is beside it is not
        ((0.99, 1.05), (0.917, 1.1)),
    ],
)
def test_radii_beside_one_without_a_verdict_are_tried(undecided, bounds):
    search, tried = Search(whole=False, largest=100.0), []
    verdict = minimal(oracle(1.0, undecided, overshoot=1.1, tried=tried), 0.25, search, 60.0)
    assert verdict.radius == pytest.approx(bounds, abs=1e-4)
    assert search.proved == (bounds[1] < 1.1)
    assert len(set(tried)) == len(tried)


@pytest.mark.parametrize(("whole", "near"), [(True, 1), (False, 1.5)])
@pytest.mark.parametrize("start", [2, 12, 60])
def test_an_interval_that_is_not_decided_is_narrowed_from_both_sides(whole, near, start):
    search = Search(whole, largest=255)
    verdict = minimal(oracle(20, (10, 30), overshoot=99.0), start, search, 60.0)
    low, high = verdict.radius
    assert low < 10 <= 30 < high
    assert 10 - low <= near
    assert high - 30 <= 4.5
    assert not search.proved
    assert verdict.status == {2: UNSAT, 12: TIMEOUT, 60: SAT}[start]


def test_no_radius_is_tried_after_the_time():
    verdict = minimal(oracle(20), 3, Search(True, 255), 0.0)
    assert (verdict.status, verdict.radius) == (TIMEOUT, (0.0, math.inf))
