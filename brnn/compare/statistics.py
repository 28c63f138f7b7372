"""Statistics of replications, by SciPy: pure functions of arrays."""

import math
import warnings
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from brnn.config.ranges import IntervalKind, TestKind

CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE
POWER = 0.8  # probability of a decision for which `required` is computed
MOST = 1000  # replications that `required` considers
RESAMPLES = 9999
ROUNDING = 1e-6  # of the largest value; metrics are float32, and differences that vary less equal


@dataclass(frozen=True)
class Difference:
    """The difference of two means, first minus second, and what is known of it.

    Attributes:
        mean: the difference of the means.
        low: the lower end of its 95 % interval, by Student's t.
        high: the upper end.
        p: two-sided; NaN where the values have no spread, or there are too few.
        effect: the standardized difference with Hedges' correction: of pairs d_z, else d.
        count: the number of pairs, or of the values of the smaller sample.
        paired: whether the values were compared in pairs.
    """

    mean: float
    low: float
    high: float
    p: float
    effect: float
    count: int
    paired: bool


def by_step(
    histories: Sequence[Mapping[int, float]],
) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Return the steps that any of some histories has, with the mean and the deviation at each.

    The deviation is 0 where a single history has the step.

    Args:
        histories: values by step.
    """
    steps = sorted({step for history in histories for step in history})
    columns = [[history[step] for history in histories if step in history] for step in steps]
    mean = np.array([np.mean(column) for column in columns])
    std = np.array([np.std(c, ddof=1) if len(c) > 1 else 0.0 for c in columns])
    return steps, mean, std


def interval(values: np.ndarray, kind: IntervalKind) -> tuple[float, float]:
    """Return the 95 % interval of a mean; NaN for fewer than two values.

    Args:
        values: of shape `(n,)`.
        kind: `t`, Student's interval, or `bootstrap`, bias-corrected and accelerated, of 9,999
            resamples with a fixed seed.

    References:
        Efron, B. Better bootstrap confidence intervals. JASA 82, 1987.
    """
    if len(values) < 2:
        return math.nan, math.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    if kind == "t":
        low, high = stats.t.interval(
            CONFIDENCE, len(values) - 1, np.mean(values), stats.sem(values)
        )
        return float(low), float(high)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # degenerate samples have NaN as their ends
        ends = stats.bootstrap(
            (np.sort(values),),
            np.mean,
            confidence_level=CONFIDENCE,
            method="BCa",
            n_resamples=RESAMPLES,
            random_state=np.random.default_rng(0),
        ).confidence_interval
    return float(ends.low), float(ends.high)


def difference(
    first: np.ndarray, second: np.ndarray, *, paired: bool, test: TestKind
) -> Difference:
    """Compare two samples.

    Args:
        first: of shape `(n,)`.
        second: of shape `(m,)`; where `paired`, of the same shape and order.
        paired: whether values of equal index belong together.
        test: `t`, paired or Welch's; or `wilcoxon`, the signed ranks of pairs or the rank sums of
            independent samples.
    """
    mean = float(np.mean(first) - np.mean(second))
    count = min(len(first), len(second))
    spread = np.ptp(first - second) if paired else max(np.ptp(first), np.ptp(second))
    if count < 2 or spread <= ROUNDING * max(np.max(np.abs(first)), np.max(np.abs(second))):
        return Difference(mean, math.nan, math.nan, math.nan, math.nan, count, paired)
    if paired:
        result = stats.ttest_rel(first, second)
    else:
        result = stats.ttest_ind(first, second, equal_var=False)
    ends = result.confidence_interval(CONFIDENCE)
    p = float(result.pvalue) if test == "t" else _rank_test(first, second, paired)
    effect = effect_size(first, second, paired=paired)
    return Difference(mean, float(ends.low), float(ends.high), p, effect, count, paired)


def effect_size(first: np.ndarray, second: np.ndarray, *, paired: bool) -> float:
    """Return the standardized difference of two samples with Hedges' correction.

    Of pairs it is d_z = mean(x - y) / std(x - y), else d = (mean(x) - mean(y)) /
    sqrt((var(x) + var(y)) / 2). The correction is
    gamma(f / 2) / (sqrt(f / 2) gamma((f - 1) / 2)) with f degrees of freedom.

    References:
        Hedges, L. V. Distribution theory for Glass's estimator of effect size. Journal of
        Educational Statistics 6, 1981.
    """
    if paired:
        freedom = len(first) - 1
        scale = np.std(first - second, ddof=1)
    else:
        freedom = len(first) + len(second) - 2
        scale = math.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / 2)
    d = float((np.mean(first) - np.mean(second)) / scale)
    if freedom < 2:  # the correction is 0
        return d
    log_gamma = special.gammaln(freedom / 2) - special.gammaln((freedom - 1) / 2)
    return d * math.exp(log_gamma) / math.sqrt(freedom / 2)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values after the step-down correction for their number; NaN is left out.

    The i-th smallest of m is multiplied by m - i + 1, then none is smaller than the one before it.

    References:
        Holm, S. A simple sequentially rejective multiple test procedure. Scandinavian Journal of
        Statistics 6, 1979.
    """
    ordered = sorted((p, index) for index, p in enumerate(p_values) if not math.isnan(p))
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, index) in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - rank) * p))
        adjusted[index] = largest
    return adjusted


def power(effect: float, count: int, *, paired: bool, level: float) -> float:
    """Return the probability that a two-sided t test decides, by the noncentral t distribution.

    Args:
        effect: the standardized difference.
        count: the number of pairs, or of values per sample.
        paired: whether the values are pairs.
        level: of significance.
    """
    freedom = count - 1 if paired else 2 * count - 2
    shift = abs(effect) * math.sqrt(count if paired else count / 2)
    bound = stats.t.ppf(1 - level / 2, freedom)
    # of the lower tail nct.cdf(-bound, freedom, shift) is NaN where it is tiny
    return float(stats.nct.sf(bound, freedom, shift) + stats.nct.sf(bound, freedom, -shift))


def required(effect: float, *, test: TestKind, paired: bool, level: float) -> int | None:
    """Return the smallest number of pairs, or of values per sample, with a power of 0.8.

    A test by ranks needs pi / 3 times the number of the t test if the values are normal, and so
    many that its smallest p-value, 2 / 2^n of pairs and else 2 / binom(2 n, n), is below the level.

    Args:
        effect: the standardized difference.
        test: `t` or `wilcoxon`.
        paired: whether the values are pairs.
        level: of significance.

    Returns:
        The number; None: it is above 1,000, or the effect is not known.

    References:
        Lehmann, E. L. Nonparametrics: Statistical Methods Based on Ranks. 1975.
    """
    if math.isnan(effect):
        return None
    counts = range(2, MOST + 1)
    index = bisect_left(counts, POWER, key=lambda n: power(effect, n, paired=paired, level=level))
    count = 2 + index
    if test == "wilcoxon":
        orders = (2**n if paired else math.comb(2 * n, n) for n in counts)
        least = next(n for n, number in zip(counts, orders, strict=True) if level * number > 2)
        count = max(least, math.ceil(count * math.pi / 3))
    return count if count <= MOST else None


def pareto_front(points: np.ndarray) -> np.ndarray:
    """Return which points no other point dominates.

    Args:
        points: of shape `(n, m)`; each column is to be large.

    Returns:
        Booleans of shape `(n,)`.
    """
    as_good = np.all(points[None] >= points[:, None], axis=-1)
    better = np.any(points[None] > points[:, None], axis=-1)
    return ~np.any(as_good & better, axis=1)


def _rank_test(first: np.ndarray, second: np.ndarray, paired: bool) -> float:
    if paired:
        return float(stats.wilcoxon(first, second).pvalue)
    return float(stats.mannwhitneyu(first, second).pvalue)
