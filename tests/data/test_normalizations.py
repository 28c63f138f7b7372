"""Normalizations: pairs of scale and offset, worked out by hand."""

import numpy as np
import pytest

from brnn.data import images, normalizations
from brnn.errors import DataError


def test_symmetric_maps_0_and_1_to_minus_1_and_1():
    ((scale, offset),) = normalizations.symmetric(np.zeros((1, 2, 2)))
    assert (0 * scale + offset, 1 * scale + offset) == (-1, 1)


def test_standard_subtracts_the_mean_and_divides_by_the_deviation_of_each_channel():
    x = np.zeros((2, 1, 2, 2), "uint8")
    x[..., 0] = [[[0, 255]], [[0, 255]]]  # mean 1/2, deviation 1/2
    x[..., 1] = [[[51, 51]], [[51, 204]]]  # 0.2, 0.2, 0.2, 0.8: mean 0.35, deviation sqrt(0.0675)
    first, second = normalizations.standard(x)
    assert first == pytest.approx((2.0, -1.0))
    assert second == pytest.approx((1 / 0.0675**0.5, -0.35 / 0.0675**0.5))


@pytest.mark.parametrize("shape", [(3, 2, 2), (3, 4)])
def test_without_an_axis_of_channels_there_is_one_pair(shape):
    x = np.linspace(0, 1, 12, dtype="float32").reshape(shape)
    ((scale, offset),) = normalizations.standard(x)
    assert (scale, offset) == pytest.approx((1 / x.std(), -x.mean() / x.std()))


def test_many_rows_are_as_few():
    x = np.random.default_rng(0).integers(0, 256, (2500, 3, 3, 2), "uint8")
    expected = [(255 / x[..., c].std(), -x[..., c].mean() / x[..., c].std()) for c in range(2)]
    np.testing.assert_allclose(normalizations.standard(x), expected)


def test_a_constant_channel_is_refused():
    x = np.zeros((2, 2, 2, 2), "uint8")
    x[..., 0] = np.arange(8).reshape(2, 2, 2)
    with pytest.raises(DataError, match=r"dataset\.normalization=standard .* not constant"):
        normalizations.standard(x)


def test_only_training_rows_count(tmp_path):
    x = np.array([[0.0, 0.2], [0.4, 0.6], [1.0, 1.0]], "float32")
    np.savez(tmp_path / "mine.npz", x=x, y=[0, 1, 0])
    keys = {"path": str(tmp_path / "mine.npz"), "validation": 0.0, "test": 0.34}
    keys |= {"seed": None, "names": []}
    ((scale, offset),) = images.arrays(**keys, normalization="standard").normalization
    assert (scale, offset) == pytest.approx((1 / x[:2].std(), -x[:2].mean() / x[:2].std()))
    assert images.arrays(**keys, normalization="none").normalization == ()
