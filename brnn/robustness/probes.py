"""Cheap attacks of known strength, which check others.

They are called probes. Shapes: images (n, *d), labels and results (n,).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf

from brnn.attacks import blackbox
from brnn.attacks.goals import Ball, Goal, ascend_until_reached
from brnn.attacks.parallel import Traced, results, traced
from brnn.config.attack_options import norm_of
from brnn.contracts import Array, Net

STEPS = 20  # of a probe by gradient
STEP = 0.125  # their length, in units of epsilon
DRAWS = 20  # of noise for each image
QUERIES = 50  # of the attack by squares
KEPT = 16  # compiled probes

Call = tuple[Traced, tuple]  # a probe and its arguments


@dataclass(frozen=True)
class Subject:
    """The attack in question, on n images.

    Args:
        option: the complete option of the attack.
        images: the clean images (n, *d).
        labels: their classes (n,).
        perturbed: the perturbed images (n, *d).
        broken: which of them are not classified as their label (n,).
        missed_at_end: which ones half of the iterations reach and all do not (n,).
        gradient_free_only: which ones only members reach that do not see the gradient of the net.
        identity: which ones the attack breaks through the identity estimator; none if it was not
            run so.
    """

    option: dict[str, Any]
    images: np.ndarray
    labels: np.ndarray
    perturbed: np.ndarray
    broken: np.ndarray
    missed_at_end: np.ndarray
    gradient_free_only: np.ndarray
    identity: np.ndarray

    @property
    def norm(self) -> str:
        """The norm of the budget."""
        return norm_of(self.option)


def budget(option: dict[str, Any]) -> float:
    """Return the distance that an attack may go: epsilon, times its iterations if none projects."""
    return option["epsilon"] * (option["iterations"] if option["name"] == "fgsm" else 1)


def broken_by_probes(
    net: Net, attacked: Net, identity: Net, subject: Subject, seed: int, logits: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return which images (n,) each probe breaks, and which any probe within the budget breaks.

    All probes are untargeted and keep pixels in [0, 1]. Those by gradient run through the backward
    pass of the attack in question, to compare with it. What is broken within the budget does not
    depend on that attack: it is what noise, squares, and the same probes through the net's own
    backward pass and through the identity estimator break.

    Args:
        net: the net under attack, with the backward pass of its training.
        attacked: the same through the backward pass of the attack in question.
        identity: the same through the identity estimator.
        subject: the attack in question.
        seed: decides every random choice.
        logits: those of the clean images (n, C), for the temperature of each.
    """
    x, labels, norm = tf.constant(subject.images), tf.constant(subject.labels), subject.norm
    limit, shape = budget(subject.option), tuple(x.shape[1:])
    everything = 1.0 if norm == "linf" else float(np.sqrt(np.prod(x.shape[1:])))
    *_, second, first = np.sort(logits, axis=-1).T
    margins, ones = np.maximum(first - second, 1e-3), np.ones(len(logits))

    def pgd(
        source: Net,
        epsilon: float = limit,
        step: float = STEP,
        steps: int = STEPS,
        jitter: float = 0.0,
        temperature: np.ndarray = ones,
        number: int = 0,
    ) -> Call:
        floats = [tf.constant(value, tf.float32) for value in (epsilon, step, jitter, temperature)]
        return _probe(source, norm, shape), (x, labels, [seed, number], *floats, steps)

    def gradient_free(attack: Callable, **keys: Any) -> Call:
        probe = _gradient_free_probe(attack, net, shape, epsilon=limit, norm=norm, **keys)
        return probe, (x, labels, [seed, 0])

    calls: dict[tuple[Net | None, str], Call] = {
        (None, "noise"): gradient_free(blackbox.noise, draws=DRAWS),
        (None, "squares"): gradient_free(blackbox.square, queries=QUERIES, share=0.8),
        (None, "half_epsilon"): pgd(attacked, epsilon=limit / 2),
        (None, "double_epsilon"): pgd(attacked, epsilon=min(2 * limit, everything)),
        (None, "largest_epsilon"): pgd(attacked, epsilon=everything),
    }
    for source in (net, identity, attacked):
        calls |= {
            (source, "single_step"): pgd(source, step=1.0, steps=1),
            (source, "steps"): pgd(source),
            (source, "more_steps"): pgd(source, steps=2 * STEPS, step=STEP / 2),
            (source, "restarts"): pgd(source, jitter=1.0, number=1),
            (source, "temperature"): pgd(source, temperature=margins),
            (source, "second_restart"): pgd(source, jitter=1.0, number=2),
        }
    broken = dict(zip(calls, results(list(calls.values())), strict=True))

    def through(source: Net) -> dict[str, np.ndarray]:
        by_name = {name: found for (key, name), found in broken.items() if key is source}
        second = by_name.pop("second_restart")
        return by_name | {"restarts": by_name["restarts"] | second}

    without_gradient = {name: broken[None, name] for name in ("noise", "squares")}
    within = [*without_gradient.values(), *through(net).values(), *through(identity).values()]
    by_probe = without_gradient | through(attacked) | {"identity": broken[identity, "steps"]}
    for name in ("half_epsilon", "double_epsilon", "largest_epsilon"):
        by_probe[name] = broken[None, name]
    return by_probe, np.any(within, axis=0)


@lru_cache(maxsize=KEPT)
def _probe(net: Net, norm: str, shape: tuple[int, ...]) -> Traced:
    """Return PGD, compiled once for any budgets, steps, starts, temperatures and number of images.

    It gives whether each image is broken (n,). `jitter` is the share of the way from the image to a
    random point of the ball where it starts.
    """
    signature = [*_batch(shape), *[tf.TensorSpec(())] * 3]
    signature += [tf.TensorSpec((None,)), tf.TensorSpec((), tf.int32)]

    def run(
        x: Array,
        labels: Array,
        numbers: Array,
        epsilon: Array,
        step: Array,
        jitter: Array,
        temperature: Array,
        steps: Array,
    ) -> Array:
        goal, ball = Goal(net, labels, False, "cross_entropy", temperature), Ball(x, epsilon, norm)
        start = x + jitter * (ball.random(numbers) - x)
        return goal.reached(net(ascend_until_reached(goal, ball, start, step, steps)))

    return traced(run, signature)


@lru_cache(maxsize=KEPT)
def _gradient_free_probe(attack: Callable, net: Net, shape: tuple[int, ...], **keys: Any) -> Traced:
    """Return an attack without gradients, compiled; it gives whether each image is broken (n,)."""

    def run(x: Array, labels: Array, numbers: Array) -> Array:
        moved = attack(net, x, labels, numbers, targeted=False, **keys)
        return Goal(net, labels, targeted=False).reached(net(moved))

    return traced(run, _batch(shape))


def _batch(shape: tuple[int, ...]) -> list[tf.TensorSpec]:
    """Return the types of images (n, *shape), labels (n,) and a seed."""
    return [
        tf.TensorSpec((None, *shape)),
        tf.TensorSpec((None,), tf.int32),
        tf.TensorSpec((2,), tf.int32),
    ]
