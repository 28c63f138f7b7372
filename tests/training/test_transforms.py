"""Transforms: each image is moved, cropped, mirrored or covered as its own draws say."""

import numpy as np
import pytest
import tensorflow as tf

from brnn.training import transforms

IMAGE = np.arange(1, 10, dtype="float32").reshape(3, 3) / 10


def draws(*values):
    """A source of noise that returns these values, one call after the other."""
    rest = iter(values)
    return lambda shape: tf.constant(next(rest), tf.float32)


def images(count, channels):
    """The same image `count` times, in each channel another multiple of it."""
    x = np.stack([IMAGE] * count)
    return tf.constant(x if channels is None else x[..., None] * np.linspace(1, 0.5, channels))


def by_channel(expected, channels):
    expected = np.float32(expected) / 10
    return expected if channels is None else expected[..., None] * np.linspace(1, 0.5, channels)


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_a_shift_repeats_the_pixels_of_the_edge(channels):
    # of three numbers -1, 0, 1: the rows below 1/3, in the middle, above 2/3; then the columns
    x = transforms.shift(images(3, channels), draws([0.1, 0.5, 0.9], [0.5, 0.9, 0.4]), pixels=1)
    up = [[1, 2, 3], [1, 2, 3], [4, 5, 6]]
    left = [[2, 3, 3], [5, 6, 6], [8, 9, 9]]
    down = [[4, 5, 6], [7, 8, 9], [7, 8, 9]]
    np.testing.assert_allclose(x, by_channel([up, left, down], channels), rtol=1e-6)


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_a_crop_of_the_padded_image_has_zeros_at_its_edge(channels):
    # of five numbers 0 to 4; 2 is the middle
    noise = draws([0.5, 0.1, 0.99], [0.5, 0.5, 0.7])
    x = transforms.pad_and_crop(images(3, channels), noise, pixels=2)
    same = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    top = [[0, 0, 0], [0, 0, 0], [1, 2, 3]]
    bottom_right = [[8, 9, 0], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(x, by_channel([same, top, bottom_right], channels), rtol=1e-6)


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_an_image_is_mirrored_left_to_right_or_not(channels):
    x = transforms.flip(images(2, channels), draws([0.49, 0.5]))
    mirrored, same = [[3, 2, 1], [6, 5, 4], [9, 8, 7]], [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    np.testing.assert_allclose(x, by_channel([mirrored, same], channels), rtol=1e-6)


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_a_black_square_may_hang_over_the_edge(channels):
    # the centre: row 0, 1, 2 and column 2, 1, 0; a side of 2 begins one pixel before it
    noise = draws([0.0, 0.5, 0.9], [0.9, 0.5, 0.0])
    x = transforms.cutout(images(3, channels), noise, pixels=2)
    corner = [[1, 0, 0], [4, 5, 6], [7, 8, 9]]
    middle = [[0, 0, 3], [0, 0, 6], [7, 8, 9]]
    edge = [[1, 2, 3], [0, 5, 6], [0, 8, 9]]
    np.testing.assert_allclose(x, by_channel([corner, middle, edge], channels), rtol=1e-6)


@pytest.mark.parametrize("name", ["shift", "pad_and_crop"])
def test_every_distance_is_equally_likely(name):
    """A single white pixel in the middle is moved to each of 25 places equally often."""
    x = np.zeros((5000, 7, 7), "float32")
    x[:, 3, 3] = 1
    rng = np.random.default_rng(0)
    noise = lambda shape: tf.constant(rng.random(shape), tf.float32)  # noqa: E731
    counts = np.sum(getattr(transforms, name)(tf.constant(x), noise, pixels=2), axis=0)
    assert counts.sum() == 5000
    assert counts[1:6, 1:6].min() > 140  # of 200 each; a deviation is 14
    assert counts[1:6, 1:6].sum() == 5000
