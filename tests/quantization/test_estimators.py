"""Estimators: gradients at, inside and beyond each bound, and properties for all inputs."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brnn.quantization import estimators

STE = partial(estimators.ste, bound=1.0)
LEAKY = partial(estimators.leaky_softsign, bound=1.0, leak=0.125)
BINARY = partial(estimators.binary_gradient, bound=1.0)
SWISH = partial(estimators.swish_sign, beta=5.0)
TANH = partial(estimators.tanh, slope=3.0)
EDE = partial(estimators.ede, slope=0.5)
RESTE = partial(estimators.reste, power=2.0, bound=1.5, linear=0.1)
LINEAR = [estimators.identity, STE, estimators.chernoff, LEAKY, estimators.approx_sign, SWISH]
LINEAR += [TANH, EDE, RESTE]
BEYOND_1 = np.nextafter(np.float32(1), np.float32(2))
FLOATS = arrays("float32", 20, elements=st.floats(-100, 100, width=32, allow_subnormal=False))


def gradient(estimator, x, upstream=1.0, fan_in=128):
    x = np.atleast_1d(np.float32(x))
    return np.asarray(estimator(x, np.full_like(x, upstream), fan_in))


@pytest.mark.parametrize(
    ("estimator", "x", "upstream", "expected"),
    [
        (estimators.identity, 3.0, -2.5, -2.5),
        (estimators.identity, -1e30, 2.5, 2.5),
        (estimators.identity, 0.0, 2.5, 0.0),  # as in the original
        (STE, 0.5, -2.5, -2.5),
        (STE, 1.0, 2.5, 2.5),  # the bound itself still learns
        (STE, -1.0, 2.5, 2.5),
        (STE, BEYOND_1, 2.5, 0.0),
        (STE, -BEYOND_1, 2.5, 0.0),
        (STE, 0.0, 2.5, 0.0),
        (partial(estimators.ste, bound=2.0), 1.5, 2.5, 2.5),
        (LEAKY, 1.0, -2.0, -2.0),
        (LEAKY, BEYOND_1, -2.0, -0.25),  # an eighth beyond the bound
        (LEAKY, -7.0, -2.0, -0.25),
        (LEAKY, 0.0, -2.0, 0.0),
        (BINARY, 0.5, 0.03, 1.0),  # the sign of the gradient, whatever its size
        (BINARY, -1.0, -40.0, -1.0),
        (BINARY, 0.5, 0.0, 0.0),
        (BINARY, BEYOND_1, 40.0, 0.0),
        (BINARY, 0.0, 40.0, 0.0),
        (estimators.approx_sign, 0.25, 2.0, 3.0),  # 2 (2 - 2/4)
        (estimators.approx_sign, -0.75, 2.0, 1.0),
        (estimators.approx_sign, 0.0, 1.0, 2.0),
        (estimators.approx_sign, 1.0, 2.0, 0.0),
        (estimators.approx_sign, 5.0, 2.0, 0.0),
        (SWISH, 0.0, 1.0, 5.0),
        (SWISH, 0.4, -2.0, -1.00124338),  # -2 * 10 (1 - tanh 1) / (1 + cosh 2)
        (
            SWISH,
            0.5,
            1.0,
            -0.0846216,
        ),  # 10 * 0.0701037 (2 - 2.5 tanh 1.25): negative beyond 2.4 / 5
        (SWISH, 100.0, 1.0, 0.0),  # no overflow
        (TANH, 0.0, -2.0, -6.0),
        (TANH, 1 / 3, 1.0, 1.2599230),  # 3 (1 - tanh^2 1)
        (EDE, 0.0, -2.0, -2.0),  # k t = 1
        (EDE, 2.0, 1.0, 0.4199743),  # 1 - tanh^2 1
        (partial(estimators.ede, slope=4.0), 0.25, 1.0, 1.6798974),  # 4 (1 - tanh^2 1)
        (RESTE, 0.25, -2.0, -2.0),  # 0.25^-0.5 / 2 = 1
        (RESTE, 0.05, 1.0, 3.1622777),  # sqrt(0.1) / 0.1
        (RESTE, 0.0, 1.0, 3.1622777),
        (RESTE, 0.1, 1.0, 3.1622777),  # the end of the line
        (RESTE, -0.11, 1.0, 1.5075567),  # 0.11^-0.5 / 2
        (RESTE, 1.5, 1.0, 0.4082483),  # 1.5^-0.5 / 2
        (RESTE, -1.51, 1.0, 0.0),
    ],
)
def test_gradient_at_a_point(estimator, x, upstream, expected):
    np.testing.assert_allclose(gradient(estimator, x, upstream), [expected], rtol=1e-5)


@pytest.mark.parametrize(
    ("fan_in", "lower", "upper"), [(128, -26.64, 32.63), (256, -37.68, 46.15), (784, -65.94, 80.75)]
)
def test_chernoff_passes_gradients_between_the_published_bounds_only(fan_in, lower, upper):
    x = [lower - 0.01, lower + 0.01, -1.0, 0.0, 1.0, upper - 0.01, upper + 0.01]
    np.testing.assert_array_equal(
        gradient(estimators.chernoff, x, -2.5, fan_in), [0, -2.5, -2.5, 0, -2.5, -2.5, 0]
    )


@given(st.integers(1, 10_000))
@settings(max_examples=50)
def test_chernoff_bounds_are_those_of_a_sum_of_bernoulli_variables(fan_in):
    def passed(successes):
        return gradient(estimators.chernoff, 2 * successes - fan_in, 1.0, fan_in)[0]

    lower = fan_in / 2 * (1 - np.sqrt(4 * np.log(4) / fan_in))
    upper = fan_in / 2 * (1 + np.sqrt(6 * np.log(4) / fan_in))
    margin = 1e-3 * np.sqrt(fan_in)
    assert [passed(lower - margin), passed(lower + margin)] == [0, 1]
    assert [passed(upper - margin), passed(upper + margin)] == [1, 0]


@given(x=FLOATS, upstream=FLOATS)
@settings(max_examples=50)
@pytest.mark.parametrize("estimator", [*LINEAR, BINARY])
def test_gradient_is_finite_and_odd_in_the_upstream_gradient(estimator, x, upstream):
    forward, backward = (np.asarray(estimator(x, sign * upstream, 128)) for sign in (1, -1))
    assert np.isfinite(forward).all()
    assert forward.shape == x.shape
    assert forward.dtype == np.float32
    np.testing.assert_array_equal(forward, -backward)


@given(x=FLOATS)
@settings(max_examples=50)
@pytest.mark.parametrize("estimator", LINEAR)
def test_gradient_is_a_slope_times_the_upstream_gradient(estimator, x):
    np.testing.assert_array_equal(gradient(estimator, x, 4.0), 4 * gradient(estimator, x, 1.0))


@pytest.mark.parametrize("estimator", [estimators.approx_sign, SWISH, TANH])
def test_area_under_the_slope_is_the_jump_of_sign(estimator):
    x = np.linspace(-8, 8, 160_001, dtype="float32")
    assert np.trapezoid(gradient(estimator, x), x) == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize(
    "estimator",
    [
        estimators.identity,
        STE,
        LEAKY,
        BINARY,
        estimators.approx_sign,
        SWISH,
        TANH,
        EDE,
        RESTE,
    ],
)
def test_slope_is_even(estimator):
    x = np.linspace(-8, 8, 4001, dtype="float32")
    np.testing.assert_array_equal(gradient(estimator, x), gradient(estimator, -x))
