"""The files of an attack."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from brnn import figures
from brnn.figures.examples import adversarial_examples, confusion_matrix
from brnn.robustness.runner import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLES = 8  # adversarial images in the figure
SAVED = 200  # adversarial images in the artifact


def images(report: Report) -> bytes:
    """Return an .npz file of the first images of an attack, with their labels and predictions."""
    saved, arrays = report.samples.take(np.arange(min(SAVED, len(report.images)))), io.BytesIO()
    np.savez_compressed(
        arrays,
        original=saved.images,
        adversarial=report.images[:SAVED],
        label=saved.labels,
        target=saved.targets,
        prediction=report.predictions[:SAVED],
    )
    return arrays.getvalue()


def drawn(
    report: Report, name: str, title: str = "", names: Sequence[str] = ()
) -> dict[str, "Figure"]:
    """Return the figures of an attack by name: examples, the confusion matrix, and its curves.

    Args:
        report: the result of the attack.
        name: that of the attack, for the legend of the curves.
        title: of the figures.
        names: of the classes; none for their numbers.
    """
    samples, labels = report.samples, report.samples.labels
    examples = adversarial_examples(
        samples.images[:SAVED],
        report.images[:SAVED],
        labels[:SAVED],
        report.predictions[:SAVED],
        samples.targets[:SAVED] if report.targeted else None,
        EXAMPLES,
        title,
        names,
    )
    confused = confusion_matrix(
        labels,
        report.predictions,
        1 + int(max(labels.max(), report.predictions.max())),
        f"{title}, predictions under attack".lstrip(", "),
        names,
    )
    curves = {
        f"robust_accuracy_by_{key}": figures.curves({name: points}, key, "robust accuracy", None)
        for key, points in report.curves.items()
        if points
    }
    return {"adversarial_examples": examples, "confusion_under_attack": confused} | curves
