"""The files that an attack leaves."""

import io

import numpy as np

from brnn import figures
from brnn.robustness.runner import Report

EXAMPLES = 8  # adversarial images in the figure
SAVED = 200  # adversarial images in the artifact


def files(report: Report, name: str) -> dict[str, bytes]:
    """The artifacts of an attack by path: its images as arrays and as a figure, and its curves."""
    victims, arrays = report.victims.of(np.arange(min(SAVED, len(report.images)))), io.BytesIO()
    np.savez_compressed(
        arrays,
        original=victims.images,
        adversarial=report.images[:SAVED],
        label=victims.labels,
        target=victims.targets,
        prediction=report.predictions[:SAVED],
    )
    examples = figures.adversarial_examples(
        victims.images[:EXAMPLES],
        report.images[:EXAMPLES],
        victims.labels[:EXAMPLES],
        report.predictions[:EXAMPLES],
        victims.targets[:EXAMPLES] if report.targeted else None,
        EXAMPLES,
    )
    drawn = {
        f"figures/robust_accuracy_by_{key}.png": figures.png(
            figures.curves({name: points}, key, "robust accuracy", None)
        )
        for key, points in report.curves.items()
        if points
    }
    return {
        "adversarial.npz": arrays.getvalue(),
        "figures/adversarial_examples.png": figures.png(examples),
    } | drawn
