"""Images that are attacked: the first or random ones, with wrong targets."""

from dataclasses import replace

import numpy as np
import pytest

from brnn.robustness.samples import Samples
from tests.support.evaluating import chosen


def test_a_target_that_is_the_label_is_refused():
    with pytest.raises(ValueError, match="a target must differ from the label, got 2 for both"):
        Samples(np.zeros((2, 1), "float32"), np.int32([1, 2]), np.int32([0, 2]), np.int32([1, 2]))


def test_images_are_the_first_or_random_ones_with_wrong_targets(real, digits):
    first, drawn = (chosen(real, digits, 50, choice) for choice in ("first", "random"))
    np.testing.assert_array_equal(first.images, digits.test[0][:50])
    assert not np.array_equal(first.images, drawn.images)
    np.testing.assert_array_equal(drawn.images, chosen(real, digits, 50, "random").images)
    assert not (first.targets == first.labels).any()
    assert len(set(((first.targets - first.labels) % 10).tolist())) == 9
    np.testing.assert_array_equal(chosen(real, digits, 20).images, first.images[:20])
    in_bytes = replace(
        digits, test=(np.round(digits.test[0] * 255).astype("uint8"), digits.test[1])
    )
    np.testing.assert_allclose(chosen(real, in_bytes, 20).images, first.images[:20], rtol=2e-7)


def test_one_target_for_all_leaves_out_its_own_class(real, digits):
    samples = chosen(real, digits, 1000, target=3)
    assert (samples.targets == 3).all()
    assert not (samples.labels == 3).any()
    assert len(samples.labels) == np.sum(digits.test[1] != 3)
