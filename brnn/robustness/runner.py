"""Running the members of an attack on batches of images."""

import re
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from brnn.attacks.batches import perturbed
from brnn.config import groups
from brnn.config.attack_options import members, sees_gradient
from brnn.errors import ConfigError, NonFiniteError
from brnn.robustness.metrics import measure
from brnn.robustness.nets import Nets
from brnn.robustness.samples import Attacked, predicted

PLAIN = str.maketrans(" =", "-:")  # what a metric's name may hold


@dataclass
class Report:
    """What an attack came to; `curves` are points (x, robust accuracy) by what is varied."""

    victims: Attacked
    images: np.ndarray
    predictions: np.ndarray
    targeted: bool
    metrics: dict[str, float]
    blind: (
        np.ndarray
    )  # which images reach the goal only by members that do not see the net's gradient
    reasons: list[str] | None = (
        None  # not to trust the robust accuracy; None where it was not checked
    )
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def run_attack(all_nets: Nets, option: dict, victims: Attacked) -> Report:
    """All members of an attack, each on the images that those before it left, and how many it broke of them all.

    Those that see the net's gradient go first, so that what the others break tells how much it hides.
    """
    net, seed = all_nets.through("trained"), all_nets.options["seed"]
    targeted = option.get("targeted", False)
    labels = victims.targets if targeted else victims.labels
    images, classes, asked = victims.images.copy(), victims.classes.copy(), 0
    left, blind = np.arange(len(labels)), np.zeros(len(labels), bool)
    given = sorted(
        members(option, all_nets.options["plugins"]).items(),
        key=lambda one: _is_blind(all_nets, one[1]),
    )
    metrics = {f"{option['name']}/{name.translate(PLAIN)}/broke": 0.0 for name, _ in given}
    for name, member in given:
        if not len(left):
            break
        looked = all_nets.through(member["estimator"], member["source"])
        before = int(looked.asked.numpy())
        attack = groups.function("attack", member, all_nets.options["plugins"])
        what = f"{name} through {member['source'] or member['estimator']}"
        try:
            images[left] = perturbed(
                attack, looked, victims.images[left], labels[left], seed, all_nets.tell, what
            )
        except (
            tf.errors.OpError
        ) as error:  # whose message has stacks of calls around that of another library
            reason = re.search(r"^\w+(Error|Exception): .*", error.message, re.MULTILINE)
            if not reason:
                raise
            raise ConfigError(f"attack={name} failed: {reason[0]}") from error
        if not np.isfinite(images[left]).all():
            raise NonFiniteError(f"attack={name} gave pixels that are not numbers")
        asked += int(looked.asked.numpy()) - before
        classes[left] = predicted(net.model, images[left])
        reached = (classes[left] == labels[left]) == targeted
        metrics[f"{option['name']}/{name.translate(PLAIN)}/broke"] = reached.sum() / len(labels)
        blind[left[reached]] = _is_blind(all_nets, member)
        left = left[~reached]
    metrics = metrics if len(metrics) > 1 else {}
    metrics |= measure("attack", victims, images, classes, targeted) | {
        "attack/queries": asked / len(labels)
    }
    return Report(victims, images, classes, targeted, metrics, blind)


def _is_blind(all_nets: Nets, member: dict) -> bool:
    """Whether an attack does not see the gradient of the net itself, as the twin of a net in full precision is."""
    itself = member["source"] == "twin" and all_nets.options["precision"]["name"] == "full"
    plugins = all_nets.options["plugins"]
    return not sees_gradient(member, plugins) or (member["source"] is not None and not itself)


def noise(victims: Attacked, images: np.ndarray, clip: bool, seed: int) -> np.ndarray:
    """The control: uniform noise, for each image of the L-inf norm of its adversarial perturbation."""
    axes = tuple(range(1, images.ndim))
    size = np.abs(images - victims.images).max(axis=axes, keepdims=True)
    noisy = victims.images + size * (
        2 * np.random.default_rng([seed, 2]).random(images.shape, "float32") - 1
    )
    return noisy.clip(0, 1) if clip else noisy
