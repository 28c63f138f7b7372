"""The files of an attack."""

import io

import numpy as np

from brnn import figures
from brnn.figures.examples import adversarial_examples, confusion_matrix
from brnn.robustness.runner import Report

EXAMPLES = 8  # adversarial images in the figure
SAVED = 200  # adversarial images in the artifact


def files(report: Report, name: str, title: str = "") -> dict[str, bytes]:
    """Return the artifacts of an attack by path: arrays, a figure of examples, and its curves.

    Args:
        report: the result of the attack.
        name: that of the attack, for the legend of the curves.
        title: of the figures.
    """
    saved, arrays = report.samples.take(np.arange(min(SAVED, len(report.images)))), io.BytesIO()
    np.savez_compressed(
        arrays,
        original=saved.images,
        adversarial=report.images[:SAVED],
        label=saved.labels,
        target=saved.targets,
        prediction=report.predictions[:SAVED],
    )
    drawn = adversarial_examples(
        saved.images,
        report.images[:SAVED],
        saved.labels,
        report.predictions[:SAVED],
        saved.targets if report.targeted else None,
        EXAMPLES,
        title,
    )
    labels = report.samples.labels
    confused = confusion_matrix(
        labels,
        report.predictions,
        1 + int(max(labels.max(), report.predictions.max())),
        f"{title}, predictions under attack".lstrip(", "),
    )
    curves = {
        f"figures/robust_accuracy_by_{key}.png": figures.png(
            figures.curves({name: points}, key, "robust accuracy", None)
        )
        for key, points in report.curves.items()
        if points
    }
    return {
        "adversarial.npz": arrays.getvalue(),
        **figures.files(drawn, "figures/adversarial_examples"),
        **figures.files(confused, "figures/confusion_under_attack"),
        **curves,
    }
