"""Trust: whether a robust accuracy is one, or only what a weak attack left standing.

Cheap attacks of known strength are run on some of the images. Where they break what the attack in question did not,
or where they contradict one another, the number is not to be believed. The list is after Athalye et al. 2018
(arXiv:1802.00420), Carlini et al. 2019 (arXiv:1902.06705), Pintor et al. 2022 (arXiv:2106.09947) and AutoAttack.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import tensorflow as tf

from brnn.attacks import blackbox
from brnn.attacks.goals import Ball, Goal, ascend_until_reached

IMAGES = 300  # on which the checks are made
TOLERANCE = 0.02  # share of images; less may be chance
ZERO_GRADIENTS = 0.01  # share of images from which the gradient is missing
STEPS = 20  # of the attacks that check
STEP = 0.125  # their length, in units of epsilon
DRAWS = 20  # of noise for each image
QUERIES = 50  # of the attack by squares
SLACK = 1e-5  # rounding, in units of the budget


@dataclass(frozen=True)
class Subject:
    """An attack in question: the option, the images, what it made of them, and whether that broke them."""

    option: dict
    images: np.ndarray
    labels: np.ndarray
    perturbed: np.ndarray
    broken: np.ndarray
    silent: np.ndarray  # broken with fewer iterations, and not with all
    blind: np.ndarray  # broken only by members of the attack that do not see the net's gradient
    identity: (
        np.ndarray | None
    )  # broken by the same attack through the identity estimator, if it was run

    @property
    def norm(self) -> str:
        return self.option.get("norm", "l2" if self.option["name"] == "cw_l2" else "linf")


def check(
    net: Callable, looked: Callable, identity: Callable, subject: Subject, seed: int
) -> tuple[dict[str, float], list[str]]:
    """The metrics `trust/` and the reasons not to trust the attack; none if it can be trusted.

    `net` is what is attacked, `looked` the same with the backward pass of the attack, `identity` with that of the
    identity estimator. A metric named as an attack is its own robust accuracy on these images.
    """
    logits, again = np.asarray(net(subject.images)), np.asarray(net(subject.images))
    clean = logits.argmax(axis=-1) == subject.labels
    broken = _broken(net, looked, identity, subject, seed, logits)
    values = {name: 1 - found.mean() for name, found in broken.items()}
    values |= {
        "clean": clean.mean(),
        "attack": 1 - subject.broken.mean(),
        "images": len(subject.images),
        "zero_gradients": zero_gradients(looked, subject.images, subject.labels),
        "beyond_budget": beyond_budget(subject),
        "random_logits": random_logits(logits, again),
        "silent": subject.silent.mean(),
        "blind": (subject.blind & ~broken["steps"]).mean(),
        "probabilities": float(probabilities(logits)),
    }
    missed = {name: (found & ~subject.broken).mean() for name, found in broken.items()}
    reasons = [text for found, text in _rules(values, missed) if found]
    every = np.any(
        [subject.broken, *(found for name, found in broken.items() if "epsilon" not in name)],
        axis=0,
    )
    values |= {"robust_accuracy": 1 - every.mean(), "trusted": float(not reasons)}
    return {f"trust/{name}": float(value) for name, value in values.items()}, reasons


def verdict(reasons: list[str]) -> str:
    """One line: yes, or no and why, by the first three reasons."""
    more = [f"and {len(reasons) - 3} more"] if len(reasons) > 3 else []
    return "no, because " + "; ".join(reasons[:3] + more) if reasons else "yes"


def zero_gradients(net: Callable, images, labels) -> float:
    """The share of images at which the gradient of the cross-entropy is zero, or missing."""
    gradient, _, _ = Goal(net, tf.constant(labels), targeted=False).gradient(tf.constant(images))
    return float(np.mean(~np.any(gradient.numpy().reshape(len(images), -1), axis=1)))


def beyond_budget(subject: Subject) -> float:
    """The share of perturbed images that are further from theirs than allowed, or have pixels beyond [0, 1]."""
    change = (subject.perturbed - subject.images).reshape(len(subject.images), -1)
    size = np.abs(change).max(axis=1) if subject.norm == "linf" else np.linalg.norm(change, axis=1)
    pixels = subject.perturbed.reshape(len(change), -1)
    outside = np.any((pixels < 0) | (pixels > 1), axis=1) & subject.option.get("clip", True)
    within = size <= budget(subject.option) * (1 + SLACK) + SLACK  # false for what is not a number
    return float(np.mean(outside | ~within))


def budget(option: dict) -> float:
    """The distance that an attack may go: epsilon, or as often as it has iterations, where nothing is projected."""
    return option["epsilon"] * (option["iterations"] if option["name"] == "fgsm" else 1)


def random_logits(first: np.ndarray, second: np.ndarray) -> float:
    """The largest difference between the logits `(images, classes)` of two calls, over their largest value."""
    return float(np.abs(first - second).max() / max(np.abs(first).max(), 1e-12))


def probabilities(outputs: np.ndarray) -> bool:
    """Whether outputs `(images, classes)` are probabilities, of which the cross-entropy has little gradient."""
    return bool((outputs >= 0).all() and np.allclose(outputs.sum(axis=-1), 1, atol=1e-4))


def _broken(net, looked, identity, subject, seed, logits) -> dict[str, np.ndarray]:
    """Which images each of the checking attacks breaks; all are untargeted and in the pixels' range."""
    x, labels, norm = tf.constant(subject.images), tf.constant(subject.labels), subject.norm
    limit = budget(subject.option)
    everything = 1.0 if norm == "linf" else float(np.sqrt(np.prod(x.shape[1:])))
    *_, second, first = np.sort(logits, axis=-1).T
    soft, one = np.maximum(first - second, 1e-3), np.ones(len(logits))
    plain = _probe(looked, norm)

    def run(probe, epsilon=limit, step=STEP, steps=STEPS, jitter=0.0, temperature=one, number=0):
        floats = [tf.constant(value, tf.float32) for value in (epsilon, step, jitter, temperature)]
        return probe(x, labels, tf.constant([seed, number]), *floats, tf.constant(steps)).numpy()

    def blindly(attack, **keys):
        return _blind(attack, net, **keys)(x, labels, tf.constant([seed, 0])).numpy()

    return {
        "noise": blindly(blackbox.noise, epsilon=limit, norm=norm, draws=DRAWS),
        "squares": blindly(blackbox.square, epsilon=limit, norm=norm, queries=QUERIES, share=0.8),
        "single_step": run(plain, step=1.0, steps=1),
        "steps": run(plain),
        "more_steps": run(plain, steps=2 * STEPS, step=STEP / 2),
        "restarts": run(plain, jitter=1.0, number=1) | run(plain, jitter=1.0, number=2),
        "temperature": run(plain, temperature=soft),
        "identity": run(_probe(identity, norm)) if subject.identity is None else subject.identity,
        "half_epsilon": run(plain, epsilon=limit / 2),
        "double_epsilon": run(plain, epsilon=min(2 * limit, everything)),
        "largest_epsilon": run(plain, epsilon=everything),
    }


@lru_cache(maxsize=16)
def _probe(net, norm) -> Callable:
    """PGD, compiled once for all its budgets, steps, starts and temperatures; gives whether each image is broken."""

    @partial(tf.function, autograph=False)
    def run(x, labels, numbers, epsilon, step, jitter, temperature, steps):
        goal, ball = Goal(net, labels, False, "cross_entropy", temperature), Ball(x, epsilon, norm)
        start = x + jitter * (ball.random(numbers) - x)
        return goal.reached(net(ascend_until_reached(goal, ball, start, step, steps)))

    return run


@lru_cache(maxsize=16)
def _blind(attack, net, **keys) -> Callable:
    """An attack without gradients, compiled; gives whether each image is broken."""

    @partial(tf.function, autograph=False)
    def run(x, labels, numbers):
        return Goal(net, labels, targeted=False).reached(
            net(attack(net, x, labels, numbers, targeted=False, **keys))
        )

    return run


def _rules(values, missed) -> list[tuple[bool, str]]:
    """Each check: whether it found something, and what."""
    attack, clean = values["attack"], values["clean"]
    further = {
        "more_steps": f"{2 * STEPS} steps",
        "restarts": "two random starts",
        "temperature": "the cross-entropy of scaled logits",
        "identity": "looking through the identity estimator",
        "squares": "random squares without a gradient",
        "noise": "noise",
    }
    falls = (
        values["half_epsilon"] + TOLERANCE
        >= values["steps"]
        >= values["double_epsilon"] - TOLERANCE
    )
    weak = values["noise"] <= attack and values["noise"] < clean - TOLERANCE
    survivors = values["largest_epsilon"]
    return [
        (
            values["zero_gradients"] > ZERO_GRADIENTS,
            f"{values['zero_gradients']:.3f} of the images have no gradient",
        ),
        (
            weak,
            f"noise is as strong (robust accuracy {values['noise']:.3f}) as the attack ({attack:.3f})",
        ),
        *(
            (
                missed.get(name, 0) > TOLERANCE,
                f"{words} would break a further {missed.get(name, 0):.3f}",
            )
            for name, words in sorted(further.items(), key=lambda one: -missed.get(one[0], 0))
        ),
        (
            values["single_step"] < values["steps"] - TOLERANCE,
            f"a single step ({values['single_step']:.3f}) is stronger than {STEPS} ({values['steps']:.3f})",
        ),
        (not falls, "the robust accuracy does not fall with epsilon"),
        (survivors > 0, f"{survivors:.3f} of the images survive the largest epsilon"),
        (
            values["blind"] > TOLERANCE,
            f"{values['blind']:.3f} of the images break only without the net's own gradient",
        ),
        (
            values["silent"] > 0,
            f"{values['silent']:.3f} of the images are broken on the way, but not at its end",
        ),
        (
            values["beyond_budget"] > 0,
            f"{values['beyond_budget']:.3f} of the images are beyond the budget",
        ),
        (
            values["random_logits"] > 1e-3,
            f"the logits differ by {values['random_logits']:.3g} from call to call",
        ),
        (bool(values["probabilities"]), "the outputs are probabilities, not logits"),
    ]
