"""Artifacts hold the images and their predictions."""

import io

import numpy as np

from brnn.robustness import artifacts
from tests.support.evaluating import evaluated


def test_artifact_holds_the_images_and_their_predictions(binarized):
    report = evaluated(binarized, "noise", draws=2, checks=False)
    saved = np.load(io.BytesIO(artifacts.images(report)), allow_pickle=False)
    np.testing.assert_array_equal(saved["adversarial"], report.images)
    np.testing.assert_array_equal(saved["original"], report.samples.images)
    np.testing.assert_array_equal(
        np.argmax(binarized.through("ste")(saved["adversarial"]), -1), saved["prediction"]
    )
