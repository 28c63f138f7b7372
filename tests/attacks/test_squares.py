"""Random squares: their sides, bumps and budget."""

import numpy as np
import pytest
import tensorflow as tf

from brnn.attacks import goals, squares
from tests.support.attacking import norms


def test_squares_cover_less_and_less():
    sides = squares.side_lengths(10_000, 0.8, 28, 28, "linf")
    assert sides[0] == 25  # sqrt(0.8 x 784) = 25.04
    assert sides[-1] == 1  # sqrt(0.8 x 784 / 512) = 1.1
    assert (np.diff(sides) <= 0).all()


def test_bumps_of_a_square_are_sums_over_rings():
    row, column = np.mgrid[:5, :5].astype("int32")
    bumps = squares._bumps(tf.constant(row), tf.constant(column), 5).numpy()
    inner, middle, outer = (
        1 + 1 / 4 + 1 / 9,
        1 / 4 + 1 / 9,
        1 / 9,
    )  # from the center of each half on
    np.testing.assert_allclose(
        bumps[0], np.float32([outer, middle, middle, middle, outer]), rtol=1e-5
    )  # a half of two rows
    np.testing.assert_allclose(
        bumps[1], np.float32([outer, middle, inner, middle, outer]), rtol=1e-5
    )
    np.testing.assert_allclose(bumps[3], -bumps[1], rtol=1e-5)  # the middle of the other three


def test_squares_in_l2_use_the_whole_budget_before_pixels_are_clipped():
    x = tf.fill((3, 6, 6, 2), 0.5)
    ball = goals.Ball(x, 0.2, "l2")
    start = squares.start(ball, (0, 0))
    moved = squares.propose(ball, start, tf.constant(3), (0, 1))
    np.testing.assert_allclose(norms(start - x, "l2"), 0.2, rtol=1e-5)
    np.testing.assert_allclose(norms(moved - x, "l2"), 0.2, rtol=1e-5)
    assert np.mean(moved != start) > 0.2


@pytest.mark.parametrize(
    ("inputs", "image"),
    [((7,), (1, 7, 1)), ((4, 5), (4, 5, 1)), ((4, 5, 3), (4, 5, 3)), ((2, 4, 5, 3), (8, 5, 3))],
)
def test_inputs_of_any_number_of_axes_are_images(inputs, image):
    assert squares.as_image((None, *inputs)) == (-1, *image)
