"""Quantizers: exact levels, zero included; probabilities of stochastic levels; determinism."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brnn.quantization import quantizers

SCALES = st.sampled_from([1.0, 0.125, 0.005, 3.0])
FLOATS = arrays("float32", 30, elements=st.floats(-8, 8, width=32))
DRAWS = 20_000


def levels(quantizer, x, noise=None, **keys):
    return np.asarray(quantizer(np.float32(x), noise, **keys))


def uniform(seed):
    """A source of noise."""
    rng = np.random.default_rng(seed)
    return lambda shape: rng.random(shape, "float32")


@pytest.mark.parametrize(
    ("quantizer", "x", "expected"),
    [
        (partial(quantizers.binary, scale=1.0), [-2, -0.0, 0, 1e-30, 3], [-1, 1, 1, 1, 1]),
        (partial(quantizers.binary, scale=0.125), [-2, 0, 3], [-0.125, 0.125, 0.125]),
        (partial(quantizers.stochastic_binary, scale=0.5), [-0.1, 0, 9], [-0.5, 0.5, 0.5]),
        (
            partial(quantizers.ternary, scale=1.0),
            [-1, -0.5, -0.49, 0, 0.49, 0.5, 2],
            [-1, -1, 0, 0, 0, 1, 1],
        ),
        (partial(quantizers.ternary, scale=0.125), [0.0624, 0.0625, -1], [0, 0.125, -0.125]),
        (partial(quantizers.stochastic_ternary, scale=0.5), [0.2, 0.25, -9], [0, 0.5, -0.5]),
        (
            partial(quantizers.trained_ternary, positive=0.7, negative=0.3, threshold=0.05),
            [2, 0.11, 0.1, 0, -0.1, -0.11, -1],  # t max |x| = 0.1
            [0.7, 0.7, 0, 0, 0, -0.3, -0.3],
        ),
        # log2 0.7 = -0.51 and log2 0.71 = -0.49, either side of sqrt(1/2)
        (
            quantizers.exponential,
            [0, 1, -1, 0.7, 0.71, -3, 0.3, 6],
            [0, 1, -1, 0.5, 1, -4, 0.25, 8],
        ),
    ],
)
def test_levels_at_points(quantizer, x, expected):
    np.testing.assert_array_equal(levels(quantizer, x), np.float32(expected))


KERNEL = np.float32([[3, -1], [-1, 0], [0.5, 5]])  # mean sizes 1.75, and 1.5 and 2 by channel


@pytest.mark.parametrize(
    ("quantizer", "by", "expected"),
    [
        (quantizers.absmean_binary, "tensor", [[1.75, -1.75], [-1.75, 1.75], [1.75, 1.75]]),
        (quantizers.absmean_binary, "channel", [[1.5, -2], [-1.5, 2], [1.5, 2]]),
        # 3 / 1.75 = 1.71, 1 / 1.75 = 0.57, 0.5 / 1.75 = 0.29
        (quantizers.absmean_ternary, "tensor", [[1.75, -1.75], [-1.75, 0], [0, 1.75]]),
        # 3 / 1.5 = 2, 1 / 1.5 = 0.67, 0.5 / 1.5 = 0.33; 1 / 2 rounds to even
        (quantizers.absmean_ternary, "channel", [[1.5, 0], [-1.5, 0], [0, 2]]),
        # beyond 0.7 1.75 = 1.225 are 3 and 5
        (quantizers.threshold_ternary, "tensor", [[4, 0], [0, 0], [0, 4]]),
        # beyond 1.05 is 3; beyond 1.4 is 5
        (quantizers.threshold_ternary, "channel", [[3, 0], [0, 0], [0, 5]]),
    ],
)
def test_scales_follow_the_weights_of_a_tensor_or_a_channel(quantizer, by, expected):
    np.testing.assert_allclose(levels(quantizer, KERNEL, by=by), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "quantizer",
    [quantizers.absmean_binary, quantizers.absmean_ternary, quantizers.threshold_ternary],
)
def test_a_vector_has_one_scale_and_zeros_stay_finite(quantizer):
    vector = KERNEL.ravel()
    by_channel, by_tensor = (levels(quantizer, vector, by=by) for by in ("channel", "tensor"))
    np.testing.assert_array_equal(by_channel, by_tensor)
    np.testing.assert_array_equal(levels(quantizer, np.zeros((3, 2)), by="channel"), 0)


@given(x=arrays("float32", (5, 3), elements=st.floats(-8, 8, width=32)))
@settings(max_examples=50)
def test_absmean_levels_are_the_nearest_of_two_values_to_each_channel(x):
    """No other scale has a smaller squared distance."""
    nearest = levels(quantizers.absmean_binary, x, by="channel").astype("float64")
    signs = np.where(x >= 0, 1.0, -1.0)
    for factor in (0.9, 1.1):
        assert ((x - nearest) ** 2).sum() <= (
            (x - factor * np.abs(nearest) * signs) ** 2
        ).sum() + 1e-3


@given(x=FLOATS, scale=SCALES)
@settings(max_examples=50)
def test_levels_are_exactly_the_scale_and_keep_the_sign(x, scale):
    s = np.float32(scale)
    binary, ternary = (
        levels(quantizers.binary, x, scale=scale),
        levels(quantizers.ternary, x, scale=scale),
    )
    assert set(binary) <= {-s, s}
    assert set(ternary) <= {-s, 0, s}
    np.testing.assert_array_equal(binary >= 0, x >= 0)
    assert (ternary[ternary != 0] == binary[ternary != 0]).all()


@given(x=FLOATS)
@settings(max_examples=50)
def test_exponential_levels_are_powers_of_two_within_half_an_octave(x):
    result = levels(quantizers.exponential, x)
    normal = np.abs(x) >= 2.0**-126
    assert (result[~normal] == 0).all()
    assert (
        np.frexp(result[normal])[0] == np.copysign(0.5, x[normal])
    ).all()  # a mantissa of exactly 1/2
    ratio = np.abs(
        np.log2(np.abs(result[normal]).astype("float64"))
        - np.log2(np.abs(x[normal]).astype("float64"))
    )
    assert (ratio <= 0.5 + 1e-6).all()


@pytest.mark.parametrize(
    ("quantizer", "x", "chance", "hit", "miss"),
    [
        (quantizers.stochastic_binary, 0.0, 0.5, 0.5, -0.5),
        (quantizers.stochastic_binary, 1.0, 0.7, 0.5, -0.5),
        (quantizers.stochastic_binary, -2.0, 0.9, -0.5, 0.5),
        (quantizers.stochastic_binary, 2.5, 1.0, 0.5, -0.5),
        (quantizers.stochastic_ternary, 1.0, 0.7, 0.5, 0.0),
        (quantizers.stochastic_ternary, -2.0, 0.9, -0.5, 0.0),
        (quantizers.stochastic_ternary, -40.0, 1.0, -0.5, 0.0),
    ],
)
def test_stochastic_levels_have_their_probabilities(quantizer, x, chance, hit, miss):
    drawn = levels(quantizer, np.full(DRAWS, x), uniform(3), scale=0.5)
    assert set(drawn) <= {np.float32(hit), np.float32(miss)}
    error = 4 * np.sqrt(chance * (1 - chance) / DRAWS)  # four standard deviations
    assert (drawn == hit).mean() == pytest.approx(chance, abs=error)


@pytest.mark.parametrize("quantizer", [quantizers.stochastic_binary, quantizers.stochastic_ternary])
def test_draws_follow_the_noise(quantizer):
    x = np.linspace(-1, 1, 200)
    noise, same_noise = uniform(5), uniform(5)
    first, second = (levels(quantizer, x, noise, scale=1.0) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(levels(quantizer, x, same_noise, scale=1.0), first)
    np.testing.assert_array_equal(levels(quantizer, x, same_noise, scale=1.0), second)


def test_low_rank_keeps_the_leading_singular_values():
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    matrix = rotation @ np.diag([8.0, 4, 2, 1]) @ rotation.T
    kept = rotation @ np.diag([8.0, 4, 0, 0]) @ rotation.T
    np.testing.assert_allclose(
        levels(quantizers.low_rank, matrix, ratio=0.3), kept, atol=1e-5
    )  # ceil(1.2) = 2
    np.testing.assert_allclose(levels(quantizers.low_rank, matrix, ratio=1.0), matrix, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "ratio", "rank"), [((6, 4), 0.5, 2), ((3, 3, 2, 8), 0.25, 2), ((5, 9), 0.01, 1)]
)
def test_low_rank_of_a_kernel_is_that_of_its_matrix_with_fan_in_rows(shape, ratio, rank):
    kernel = levels(
        quantizers.low_rank, np.random.default_rng(1).standard_normal(shape), ratio=ratio
    )
    assert kernel.shape == shape
    assert np.linalg.matrix_rank(kernel.reshape(-1, shape[-1]), tol=1e-4) == rank


def test_low_rank_does_not_change_a_vector():
    np.testing.assert_array_equal(levels(quantizers.low_rank, [1, -2, 3], ratio=0.1), [1, -2, 3])
