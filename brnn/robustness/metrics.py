"""What an attack achieved, by the usual definitions."""

import numpy as np

from brnn.robustness.samples import Samples

OF_BROKEN = ("linf_median", "l2_median")  # which exist only where an image is broken


def measure(
    prefix: str, samples: Samples, images: np.ndarray, classes: np.ndarray, targeted: bool
) -> dict[str, float]:
    """Return the metrics of perturbed images.

    Args:
        prefix: of the names: `attack`, `attack_identity` or `attack_noise`.
        samples: the clean images.
        images: the perturbed ones, of the same shape.
        classes: those that the net gives to them (n,).
        targeted: whether the targets were to be reached.

    Metrics:
        attack/clean_accuracy (share): images classified correctly
            before the attack, as in Carlini et al. 2019, arXiv:1902.06705
        attack/robust_accuracy (share): images classified correctly
            under the attack
        attack/broke (share): 1 - robust_accuracy, natural errors
            included
        attack/success_rate (share): targeted: images classified as
            the target; else those broken of the images that were classified correctly
        attack/linf (pixels): mean L-inf norm of the perturbation
        attack/l2 (pixels): mean L2 norm of the perturbation
        attack/linf_median (pixels): median L-inf norm over the
            images that were correct and are broken, if there are any, as in Moosavi-Dezfooli et al.
            2016, arXiv:1511.04599
        attack/l2_median (pixels): median L2 norm over the same images as `attack/linf_median`
    """
    before, correct = samples.predictions == samples.labels, classes == samples.labels
    change = (images - samples.images).reshape(len(images), -1)
    sizes = {"linf": np.abs(change).max(axis=1), "l2": np.linalg.norm(change, axis=1)}
    metrics = {
        "clean_accuracy": before.mean(),
        "robust_accuracy": correct.mean(),
        "broke": 1 - correct.mean(),
        **{norm: size.mean() for norm, size in sizes.items()},
    }
    if (broken := before & ~correct).any():
        metrics |= {f"{norm}_median": np.median(size[broken]) for norm, size in sizes.items()}
    if targeted:
        metrics["success_rate"] = (classes == samples.targets).mean()
    else:
        metrics["success_rate"] = broken.sum() / before.sum() if before.any() else 0.0
    return {f"{prefix}/{name}": float(value) for name, value in metrics.items()}
