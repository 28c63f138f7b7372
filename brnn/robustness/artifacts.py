"""The files of an attack."""

import io
from collections.abc import Sequence

import numpy as np

from brnn import figures
from brnn.figures.examples import adversarial_examples, confusion_matrix
from brnn.robustness.runner import Report

EXAMPLES = 8  # adversarial images in the figure
SAVED = 200  # adversarial images in the artifact


def files(
    report: Report, name: str, title: str = "", names: Sequence[str] = ()
) -> dict[str, bytes]:
    """Return the artifacts of an attack by path: arrays, a figure of examples, and its curves.

    Args:
        report: the result of the attack.
        name: that of the attack, for the legend of the curves.
        title: of the figures.
        names: of the classes; none for their numbers.
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
        names,
    )
    labels = report.samples.labels
    confused = confusion_matrix(
        labels,
        report.predictions,
        1 + int(max(labels.max(), report.predictions.max())),
        f"{title}, predictions under attack".lstrip(", "),
        names,
    )
    by_key = {key: points for key, points in report.curves.items() if points}
    curves = {
        path: content
        for key, points in by_key.items()
        for path, content in figures.files(
            figures.curves({name: points}, key, "robust accuracy", None),
            f"figures/robust_accuracy_by_{key}",
        ).items()
    }
    return {
        "adversarial.npz": arrays.getvalue(),
        **figures.files(drawn, "figures/adversarial_examples"),
        **figures.files(confused, "figures/confusion_under_attack"),
        **curves,
    }
