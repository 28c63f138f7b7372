"""Running the members of an attack."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from brnn.attacks.batches import perturbed
from brnn.config import groups
from brnn.config.attack_options import members, sees_gradient
from brnn.errors import ConfigError, NonFiniteError
from brnn.robustness import trust
from brnn.robustness.metrics import measure
from brnn.robustness.nets import Net, Nets
from brnn.robustness.samples import Samples, predicted

METRIC_CHARACTERS = str.maketrans(" =", "-:")  # what MLflow allows in place of others
CAUSE = re.compile(r"^\w+(Error|Exception): .*", re.MULTILINE)


@dataclass
class Report:
    """The result of an attack.

    Args:
        samples: the clean images.
        images: the perturbed ones, of the same shape.
        predictions: the classes (n,) that the net gives to them.
        targeted: whether the targets were to be reached.
        metrics: all metrics by name; docs/reference/metrics.md lists them.
        gradient_free_only: which images (n,) only members reached that do not see the gradient of
            the net.
        reasons: why not to trust the robust accuracy; None if it was not checked.
        curves: by what is varied, points (value, robust accuracy).
    """

    samples: Samples
    images: np.ndarray
    predictions: np.ndarray
    targeted: bool
    metrics: dict[str, float]
    gradient_free_only: np.ndarray
    reasons: list[trust.Reason] | None = None
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Whether the robust accuracy can be trusted, in one line; `not checked` if unknown."""
        if self.reasons is None:
            return "not checked"
        return trust.verdict(self.reasons, self.metrics)


def run_attack(nets: Nets, option: dict[str, Any], samples: Samples) -> Report:
    """Run all members of an attack, each on the images that those before it did not break.

    Members that see the gradient of the net go first, so that what the others break shows how much
    the gradient hides.

    Args:
        nets: the net under attack.
        option: a complete option of the group `attack`.
        samples: the clean images.

    Raises:
        ConfigError: a member fails.
        NonFiniteError: it returns pixels that are not finite.

    Metrics:
        {attack}/{member}/broke_further (share): images that a member of an ensemble broke beyond
            those that the members before it broke; targeted, that reached their target
        attack/queries (count): evaluations of the net per image, with or without a gradient
    """
    net, targeted = nets.through("trained"), option.get("targeted", False)
    labels = samples.targets if targeted else samples.labels
    images, classes, queries = samples.images.copy(), samples.predictions.copy(), 0
    remaining, gradient_free_only = np.arange(len(labels)), np.zeros(len(labels), bool)
    ordered = sorted(
        members(option, nets.plugins).items(), key=lambda item: _is_gradient_free(nets, item[1])
    )
    broke = dict.fromkeys((name for name, _ in ordered), 0.0)
    for name, member in ordered:
        if not len(remaining):
            break
        attacked = nets.through(member["estimator"], member["source"])
        before = int(attacked.queries.numpy())
        clean = samples.images[remaining]
        images[remaining] = _perturbed(nets, attacked, name, member, clean, labels[remaining])
        queries += int(attacked.queries.numpy()) - before
        classes[remaining] = predicted(net.logits, images[remaining])
        reached = (classes[remaining] == labels[remaining]) == targeted
        broke[name] = reached.sum() / len(labels)
        gradient_free_only[remaining[reached]] = _is_gradient_free(nets, member)
        remaining = remaining[~reached]
    metrics = measure("attack", samples, images, classes, targeted)
    metrics["attack/queries"] = queries / len(labels)
    if len(broke) > 1:
        prefix = groups.label(option)
        shown = {name.translate(METRIC_CHARACTERS): share for name, share in broke.items()}
        metrics = {f"{prefix}/{name}/broke_further": v for name, v in shown.items()} | metrics
    return Report(samples, images, classes, targeted, metrics, gradient_free_only)


def noise(
    samples: Samples, images: np.ndarray, norm: Literal["linf", "l2"], clip: bool, seed: int
) -> np.ndarray:
    """Return the control: for each image noise of the norm of its perturbation.

    In L-inf each pixel is uniform up to that size; in L2 the direction is uniform. Where pixels are
    clipped to [0, 1], the norm falls.

    Args:
        samples: the clean images.
        images: the perturbed ones.
        norm: of the perturbations.
        clip: whether pixels are clipped to [0, 1].
        seed: of the draws.
    """
    # in place, since the images of an attack take much of a run's memory
    rng, sizes = np.random.default_rng([seed, 2]), _norms(images - samples.images, norm)
    if norm == "linf":
        noisy = rng.random(images.shape, "float32")
        noisy *= 2
        noisy -= 1
    else:
        noisy = rng.standard_normal(images.shape, "float32")
        sizes /= _norms(noisy, norm)
    noisy *= sizes
    noisy += samples.images
    return noisy.clip(0, 1, out=noisy) if clip else noisy


def _norms(change: np.ndarray, norm: str) -> np.ndarray:
    """Return the norm of each image, (n, 1, …)."""
    axes = tuple(range(1, change.ndim))
    if norm == "linf":
        return np.abs(change).max(axis=axes, keepdims=True)
    return np.sqrt((change**2).sum(axis=axes, keepdims=True))


def _perturbed(
    nets: Nets,
    attacked: Net,
    name: str,
    member: dict[str, Any],
    images: np.ndarray,
    labels: np.ndarray,
) -> np.ndarray:
    """Return images under one member."""
    attack = groups.function("attack", member, nets.plugins)
    label = f"{name} through {member['source'] or member['estimator']}"
    try:
        result = perturbed(attack, attacked, images, labels, nets.seed, nets.on_progress, label)
    except tf.errors.OpError as error:  # the message has stacks around that of another library
        cause = CAUSE.search(error.message)
        if not cause:
            raise
        raise ConfigError(f"attack={name} failed: {cause[0]}") from error
    if not np.isfinite(result).all():
        raise NonFiniteError(f"attack={name} returned pixels that are not finite")
    return result


def _is_gradient_free(nets: Nets, member: dict[str, Any]) -> bool:
    """Return whether an attack does not see the gradient of the net itself."""
    surrogate = member["source"] is not None
    itself = member["source"] == "twin" and nets.full_precision
    return not sees_gradient(member, nets.plugins) or (surrogate and not itself)
