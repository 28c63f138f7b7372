"""Initializers: float32 values of their deviation and set, which only the generator decides."""

import keras
import numpy as np
import pytest

from brnn.quantization import initializers


def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize(
    "initializer",
    [
        initializers.he_normal,
        initializers.glorot_uniform,
        initializers.binary_choice,
        initializers.ternary_choice,
        initializers.pseudo_hadamard,
        lambda shape, scale, rng: initializers.scaled_identity(shape, scale, rng, gain=2.0),
    ],
    ids=["he", "glorot", "binary_choice", "ternary_choice", "pseudo_hadamard", "scaled_identity"],
)
@pytest.mark.parametrize("shape", [(5,), (4, 6), (3, 3, 2, 8)])
def test_values_are_float32_of_the_shape_and_repeat_with_the_generator(initializer, shape):
    values = initializer(shape, 1.0, rng())
    assert values.dtype == np.float32
    assert values.shape == shape
    np.testing.assert_array_equal(values, initializer(shape, 1.0, rng()))


@pytest.mark.parametrize(("shape", "fan_in"), [((200, 300), 200), ((3, 3, 10, 500), 90)])
def test_he_normal_has_the_standard_deviation_of_its_fan_in(shape, fan_in):
    values = initializers.he_normal(shape, 1.0, rng())
    assert values.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.02)
    assert values.mean() == pytest.approx(0, abs=4 * np.sqrt(2 / fan_in / values.size))


@pytest.mark.parametrize("shape", [(200, 300), (3, 3, 10, 50)])
def test_glorot_uniform_has_the_range_and_deviation_of_that_of_keras(shape):
    values = initializers.glorot_uniform(shape, 1.0, rng())
    theirs = np.asarray(keras.initializers.GlorotUniform(seed=0)(shape))
    assert np.abs(values).max() == pytest.approx(np.abs(theirs).max(), rel=0.002)
    assert values.std() == pytest.approx(theirs.std(), rel=0.03)
    assert values.mean() == pytest.approx(0, abs=4 * theirs.std() / np.sqrt(values.size))


def test_choices_are_uniform_over_the_levels():
    binary = initializers.binary_choice((90_000,), 0.125, rng())
    ternary = initializers.ternary_choice((90_000,), 0.125, rng())
    assert sorted(set(binary)) == [-0.125, 0.125]
    assert sorted(set(ternary)) == [-0.125, 0, 0.125]
    assert (binary > 0).mean() == pytest.approx(1 / 2, abs=0.007)  # four standard deviations
    assert [(ternary == level).mean() for level in (-0.125, 0, 0.125)] == pytest.approx(
        [1 / 3] * 3, abs=0.0063
    )


def test_scaled_identity_is_the_gain_on_the_diagonal():
    np.testing.assert_array_equal(
        initializers.scaled_identity((2, 3), 1.0, rng(), gain=0.5), [[0.5, 0, 0], [0, 0.5, 0]]
    )
    np.testing.assert_array_equal(
        initializers.scaled_identity((3,), 1.0, rng(), gain=0.5), [0, 0, 0]
    )


def test_pseudo_hadamard_has_the_signs_of_a_hadamard_matrix():
    signs = np.sign(initializers.pseudo_hadamard((3, 4), 1.0, rng()))
    np.testing.assert_array_equal(signs, [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1]])


def test_pseudo_hadamard_has_orthogonal_signs_and_the_deviation_of_he_normal():
    values = initializers.pseudo_hadamard((256, 256), 1.0, rng())
    np.testing.assert_array_equal(np.sign(values).T @ np.sign(values), 256 * np.eye(256))
    assert np.sqrt(np.mean(values**2)) == pytest.approx(np.sqrt(2 / 256), rel=0.02)
