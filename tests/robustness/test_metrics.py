"""Metrics of an attack by hand."""

import numpy as np
import pytest

from brnn.robustness.metrics import measure
from brnn.robustness.samples import Samples, predicted


def four_images():
    """Labels 0, 0, 1, 1 of a net whose class is 1 above 0.5; the third is wrong when clean."""
    x = np.float32([[0.2], [0.4], [0.3], [0.9]])
    return Samples(x, np.int32([0, 0, 1, 1]), np.int32([1, 1, 0, 0]), classes(x))


def classes(x):
    """The classes that this net gives."""
    return predicted(lambda images: np.hstack([0.5 - images, images - 0.5]), x)


def test_metrics_by_hand():
    samples = four_images()
    moved = np.float32(
        [[0.3], [0.7], [0.3], [0.4]]
    )  # the second and the fourth are broken, by 0.3 and 0.5
    metrics = measure("attack", samples, moved, classes(moved), targeted=False)
    assert metrics == pytest.approx(
        {
            "attack/clean_accuracy": 0.75,
            "attack/robust_accuracy": 0.25,
            "attack/broke": 0.75,
            "attack/success_rate": 2 / 3,
            "attack/linf": 0.225,
            "attack/l2": 0.225,
            "attack/linf_median": 0.4,
            "attack/l2_median": 0.4,
        }
    )
    targeted = measure("attack", samples, moved, classes(moved), targeted=True)
    assert targeted["attack/success_rate"] == 0.75


def test_no_median_where_nothing_is_broken():
    samples = four_images()
    metrics = measure("attack", samples, samples.images, samples.predictions, targeted=False)
    assert "attack/linf_median" not in metrics
    assert metrics["attack/success_rate"] == 0
