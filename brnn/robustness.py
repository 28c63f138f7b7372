"""Robustness: runs an attack on a net, and measures it by the usual definitions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from brnn.ranges import Count
from brnn.training import chunks

ATTACK_BATCH = 1000
MASKED = 0.1  # difference in robust accuracy from which the first number is gradient masking


@dataclass(frozen=True)
class Attacked:
    """The test images that are attacked (float32, pixels in [0, 1]), their labels, and a wrong target for each."""

    images: np.ndarray
    labels: np.ndarray
    targets: np.ndarray


def attacked(data, seed: int, *, images: Count, estimator: str) -> Attacked:
    """The first `images` of the test set, with targets drawn uniformly from the wrong classes.

    `estimator` is that of the backward pass, which the caller looks up: `trained`, or the name of an option.
    """
    x, y = data.test[0][:images], data.test[1][:images]
    shift = np.random.default_rng([seed, 1]).integers(1, data.classes, len(y))
    return Attacked(x, y, ((y + shift) % data.classes).astype(y.dtype))


def assess(
    attack: Callable, trained, identity, victims: Attacked, *, targeted: bool, clip: bool, seed: int
) -> tuple[dict[str, float], np.ndarray]:
    """The metrics of an attack and of its two controls, and the attacked images.

    `attack/` looks through the net `trained`; `attack_identity/` through `identity`, the same net with the
    identity estimator in its backward pass; `attack_noise/` is uniform noise of the same size.
    """
    labels = victims.targets if targeted else victims.labels
    perturbed = {
        "attack": _perturbed(attack, trained, labels, victims, seed),
        "attack_identity": _perturbed(attack, identity, labels, victims, seed),
    }
    perturbed["attack_noise"] = _noise(victims, perturbed["attack"], clip, seed)
    metrics = {}
    for name, images in perturbed.items():
        measured = measure(trained, victims, images, targeted)
        metrics |= {f"{name}/{key}": value for key, value in measured.items()}
    return metrics, perturbed["attack"]


def predicted(net, x: np.ndarray) -> np.ndarray:
    """The classes that a net gives to `x`."""
    logits = [np.asarray(net(x[start : start + ATTACK_BATCH])) for start in range(0, len(x), ATTACK_BATCH)]
    return np.concatenate(logits).argmax(axis=-1)


def _perturbed(attack, net, labels, victims, seed):
    """All images under an attack through `net`, in compiled batches of one size."""
    compiled = tf.function(lambda x, labels, numbers: attack(net, x, labels, numbers))
    batches = enumerate(chunks(len(labels), ATTACK_BATCH))
    perturbed = [compiled(victims.images[rows], labels[rows], tf.constant([seed, number])) for number, rows in batches]
    return np.concatenate(perturbed)[: len(labels)]


def _noise(victims: Attacked, perturbed: np.ndarray, clip: bool, seed: int) -> np.ndarray:
    """The control: uniform noise, for each image of the L-inf norm of its adversarial perturbation."""
    axes = tuple(range(1, perturbed.ndim))
    size = np.abs(perturbed - victims.images).max(axis=axes, keepdims=True)
    noisy = victims.images + size * np.random.default_rng([seed, 2]).uniform(-1, 1, perturbed.shape)
    return (noisy.clip(0, 1) if clip else noisy).astype("float32")


def measure(net, victims: Attacked, perturbed: np.ndarray, targeted: bool) -> dict[str, float]:
    """What an attack on a net achieved.

    `clean_accuracy` and `robust_accuracy`: share classified right before and under the attack. `broke`: share
    not classified right under it, natural errors included. `success_rate`: targeted, the share classified as
    the target (also `tricked`); untargeted, the share broken of those classified right before. `linf`, `l2`:
    mean norms of the perturbation.
    """
    before, after = predicted(net, victims.images) == victims.labels, predicted(net, perturbed)
    right = after == victims.labels
    difference = (perturbed - victims.images).reshape(len(perturbed), -1)
    metrics = {
        "clean_accuracy": before.mean(),
        "robust_accuracy": right.mean(),
        "broke": 1 - right.mean(),
        "linf": np.abs(difference).max(axis=1).mean(),
        "l2": np.linalg.norm(difference, axis=1).mean(),
    }
    if targeted:
        metrics["tricked"] = metrics["success_rate"] = (after == victims.targets).mean()
    else:
        metrics["success_rate"] = 1 - right[before].mean() if before.any() else 0.0
    return {name: float(value) for name, value in metrics.items()}
