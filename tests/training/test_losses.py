"""Losses: one value per label, worked out by hand."""

import numpy as np
import pytest

from brnn.training import losses


def test_cross_entropy_is_minus_the_log_of_the_softmax():
    outputs = np.log(np.float32([[1, 2, 5], [3, 3, 3]]))
    np.testing.assert_allclose(
        losses.cross_entropy(np.int32([1, 0]), outputs), np.log([4, 3]), rtol=1e-6
    )


def test_cross_entropy_of_large_logits_is_finite():
    outputs = np.float32([[1000, -1000]])  # as from integer weights and wide layers
    np.testing.assert_allclose(losses.cross_entropy(np.int32([1]), outputs), [2000])


def test_cross_entropy_of_sequences_has_a_value_per_step():
    assert losses.cross_entropy(
        np.zeros((2, 5), "int32"), np.zeros((2, 5, 7), "float32")
    ).shape == (2, 5)


def test_squared_hinge_is_zero_beyond_the_margin_and_the_mean_over_the_classes():
    outputs = np.float32([[1.5, -1, -3], [0, 0.5, -2]])  # (1 - 0)^2 + (1 + 0.5)^2 + 0, by three
    np.testing.assert_allclose(
        losses.squared_hinge(np.int32([0, 0]), outputs), [0, 3.25 / 3], rtol=1e-6
    )


def test_mean_squared_error_is_the_mean_over_the_last_axis():
    labels, outputs = np.float32([[[1, 2]], [[0, 0]]]), np.float32([[[3, 2]], [[1, 3]]])
    np.testing.assert_allclose(losses.mean_squared_error(labels, outputs), [[2], [5]])


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.squared_hinge])
def test_the_right_label_costs_less(loss):
    outputs = np.float32([[2, -1, 0]])
    right, wrong = (float(loss(np.int32([label]), outputs)[0]) for label in (0, 1))
    assert right < wrong
