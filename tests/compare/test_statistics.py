"""Statistics: equal to SciPy's own calls, and to values worked out by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from brnn.compare import statistics

RNG = np.random.default_rng(3)
FIRST = RNG.normal(0.9, 0.02, 7)
SECOND = FIRST - 0.03 + RNG.normal(0, 0.01, 7)
EXACT = {"rel": 1e-9, "abs": 1e-12}


def test_histories_have_a_mean_and_a_deviation_at_each_step():
    steps, mean, std = statistics.by_step([{1: 1.0, 3: 2.0}, {1: 3.0, 2: 5.0}])
    assert (steps, mean.tolist()) == ([1, 2, 3], [2.0, 5.0, 2.0])
    assert std.tolist() == pytest.approx([2**0.5, 0.0, 0.0])  # (1 + 1) / (2 - 1)


def test_the_interval_of_a_mean_is_student_s():
    # mean 2, standard error 1 / sqrt(3), t(0.975, 2) = 4.30265
    assert statistics.interval(np.array([1.0, 2.0, 3.0]), "t") == pytest.approx(
        (2 - 4.302652730 / math.sqrt(3), 2 + 4.302652730 / math.sqrt(3))
    )
    expected = stats.ttest_1samp(FIRST, 0).confidence_interval(0.95)
    assert statistics.interval(FIRST, "t") == pytest.approx(tuple(expected), **EXACT)


def test_the_bootstrap_interval_is_scipy_s_bca_and_does_not_depend_on_the_order():
    keys = {"method": "BCa", "n_resamples": 9999, "random_state": np.random.default_rng(0)}
    ends = stats.bootstrap((np.sort(FIRST),), np.mean, **keys).confidence_interval
    assert statistics.interval(FIRST[::-1], "bootstrap") == pytest.approx(tuple(ends), **EXACT)


def test_one_value_has_no_interval_and_equal_values_have_one_of_no_width():
    assert all(map(math.isnan, statistics.interval(np.array([0.5]), "t")))
    assert statistics.interval(np.array([0.5, 0.5]), "bootstrap") == (0.5, 0.5)


def test_pairs_are_compared_by_the_paired_t_test():
    found = statistics.difference(FIRST, SECOND, paired=True, test="t")
    expected = stats.ttest_rel(FIRST, SECOND)
    ends = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, **EXACT)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), **EXACT)
    assert found.mean == pytest.approx(np.mean(FIRST) - np.mean(SECOND), **EXACT)
    assert (found.count, found.paired) == (7, True)


def test_independent_samples_are_compared_by_welch_s_test():
    found = statistics.difference(FIRST, SECOND[:4], paired=False, test="t")
    expected = stats.ttest_ind(FIRST, SECOND[:4], equal_var=False)
    ends = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, **EXACT)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), **EXACT)
    assert found.p != pytest.approx(stats.ttest_ind(FIRST, SECOND[:4]).pvalue)
    assert (found.count, found.paired) == (4, False)


def test_wilcoxon_ranks_pairs_or_independent_samples():
    paired = statistics.difference(FIRST, SECOND, paired=True, test="wilcoxon")
    assert paired.p == pytest.approx(stats.wilcoxon(FIRST, SECOND).pvalue, **EXACT)
    free = statistics.difference(FIRST, SECOND[:5], paired=False, test="wilcoxon")
    assert free.p == pytest.approx(stats.mannwhitneyu(FIRST, SECOND[:5]).pvalue, **EXACT)


def test_differences_that_vary_by_the_rounding_of_float32_are_not_tested():
    first, second = np.array([0.22, 0.2]), np.array([0.20666667, 0.18666667])  # less 1/75
    assert math.isnan(statistics.difference(first, second, paired=True, test="t").p)


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_differences_without_spread_are_not_tested(shift):
    found = statistics.difference(FIRST, FIRST + shift, paired=True, test="t")
    assert found.mean == pytest.approx(-shift)
    assert math.isnan(found.p)


def test_the_effect_of_pairs_is_d_z_with_hedges_correction():
    # differences 1, 2, 3: mean 2, std 1; correction gamma(1) / (sqrt(1) gamma(1/2)) = 1/sqrt(pi)
    first, second = np.array([2.0, 4.0, 6.0]), np.array([1.0, 2.0, 3.0])
    effect = statistics.effect_size(first, second, paired=True)
    assert effect == pytest.approx(2 / math.sqrt(math.pi))


def test_the_effect_of_independent_samples_is_d_with_hedges_correction():
    # means 2 and 4, variances 1 and 1, so d = -2; 4 degrees of freedom:
    # gamma(2) / (sqrt(2) gamma(1.5)) = 1 / (sqrt(2) sqrt(pi) / 2)
    first, second = np.array([1.0, 2.0, 3.0]), np.array([3.0, 4.0, 5.0])
    effect = statistics.effect_size(first, second, paired=False)
    assert effect == pytest.approx(-2 * math.sqrt(2 / math.pi))


def test_holm_steps_down():
    # by hand: 0.01 * 4, max(0.04, 0.02 * 3), max(0.06, 0.03 * 2), max(0.06, 0.04 * 1)
    assert statistics.holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert statistics.holm([0.6, 0.7]) == [1.0, 1.0]


def test_holm_leaves_out_what_was_not_tested():
    adjusted = statistics.holm([math.nan, 0.01, 0.04])
    assert math.isnan(adjusted[0])
    assert adjusted[1:] == pytest.approx([0.02, 0.04])


@pytest.mark.parametrize(
    ("effect", "paired", "count"),
    [(0.5, True, 34), (0.5, False, 64), (0.8, False, 26), (-0.8, False, 26)],
)
def test_the_required_number_is_that_of_cohen_s_tables(effect, paired, count):
    assert statistics.required(effect, test="t", paired=paired, level=0.05) == count


def test_the_required_number_has_a_limit():
    for test in ("t", "wilcoxon"):
        assert statistics.required(0.001, test=test, paired=True, level=0.05) is None
        assert statistics.required(math.nan, test=test, paired=True, level=0.05) is None


@pytest.mark.parametrize(
    ("effect", "paired", "level", "count"),
    [
        (9.0, True, 0.05, 6),  # 2 / 2^6 = 0.031, and 2 / 2^5 = 0.063
        (9.0, True, 0.05 / 12, 9),  # 2 / 2^9 = 0.0039, and 2 / 2^8 = 0.0078
        (9.0, False, 0.05, 4),  # 2 / binom(8, 4) = 0.029, and 2 / binom(6, 3) = 0.1
        (0.5, True, 0.05, 36),  # 34 pi / 3 = 35.6
    ],
)
def test_ranks_need_as_many_values_as_can_reach_the_level(effect, paired, level, count):
    assert statistics.required(effect, test="wilcoxon", paired=paired, level=level) == count
    smallest = stats.wilcoxon(np.arange(1.0, 7.0)).pvalue if paired else 2 / math.comb(8, 4)
    assert smallest == pytest.approx(2 / (2**6 if paired else 70))


def test_the_power_is_the_share_of_decided_experiments():
    draws = np.random.default_rng(0).normal(0.9, 1.0, (20_000, 8))
    share = np.mean(stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05)
    assert statistics.power(0.9, 8, paired=True, level=0.05) == pytest.approx(share, abs=0.01)


def test_a_large_effect_of_two_pairs_does_not_decide_among_four_tests():
    draws = np.random.default_rng(0).normal(7.2, 1.0, (20_000, 2))
    share = np.mean(stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05 / 4)
    assert statistics.power(7.2, 2, paired=True, level=0.05 / 4) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("paired", [True, False])
def test_the_power_is_known_and_grows_with_the_number(paired):
    for effect in (0.1, 1.0, 5.0, 8.2, 40.0):
        powers = [statistics.power(effect, n, paired=paired, level=0.004) for n in range(2, 30)]
        assert np.diff(powers).min() >= -1e-9
        assert 0 < powers[0] <= powers[-1] <= 1 + 1e-9


def test_the_pareto_front_has_no_dominated_point():
    points = np.array([[1.0, 3.0], [2.0, 2.0], [1.0, 2.0], [3.0, 1.0], [3.0, 1.0]])
    assert statistics.pareto_front(points).tolist() == [True, True, False, True, True]
