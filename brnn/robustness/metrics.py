"""What an attack achieved, by the usual definitions."""

import numpy as np

from brnn.robustness.samples import Attacked


def measure(
    prefix: str, victims: Attacked, images: np.ndarray, classes: np.ndarray, targeted: bool
) -> dict[str, float]:
    """What an attack achieved that made of its victims `images` of these `classes`, its names after `prefix`/.

    `clean_accuracy` and `robust_accuracy`: share of all images classified right before and under the attack (Carlini
    et al. 2019, arXiv:1902.06705). `broke`: share not classified right under it, natural errors included.
    `success_rate`: targeted, the share classified as the target (also `tricked`); untargeted, the share broken of
    those classified right before. `linf`, `l2`: mean norms of the perturbation; `linf_median`, `l2_median`: its
    medians over the images that were right before and are broken, where there are any (Moosavi-Dezfooli et al. 2016).
    """
    before, right = victims.classes == victims.labels, classes == victims.labels
    difference = (images - victims.images).reshape(len(images), -1)
    sizes = {"linf": np.abs(difference).max(axis=1), "l2": np.linalg.norm(difference, axis=1)}
    metrics = {
        "clean_accuracy": before.mean(),
        "robust_accuracy": right.mean(),
        "broke": 1 - right.mean(),
        **{norm: size.mean() for norm, size in sizes.items()},
    }
    if (broken := before & ~right).any():
        metrics |= {f"{norm}_median": np.median(size[broken]) for norm, size in sizes.items()}
    if targeted:
        metrics["tricked"] = metrics["success_rate"] = (classes == victims.targets).mean()
    else:
        metrics["success_rate"] = broken.sum() / before.sum() if before.any() else 0.0
    return {f"{prefix}/{name}": float(value) for name, value in metrics.items()}
