"""Checks of whether a robust accuracy can be trusted, or the attack was only weak.

Cheap attacks of known strength are run on some of the images. Where they break what the attack in
question did not, or contradict one another, the number is not to be believed. Every check has a
section in docs/explanation/trust.md: raised if, why, what to do.

References:
    Athalye et al. 2018, arXiv:1802.00420; Carlini et al. 2019, arXiv:1902.06705; Croce and Hein
    2020, arXiv:2003.01690 (AutoAttack); Pintor et al. 2022, arXiv:2106.09947.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from brnn.attacks.goals import Goal
from brnn.contracts import Net
from brnn.robustness.probes import STEPS, Subject, broken_by_probes, budget

IMAGES = 300  # that are checked
TOLERANCE = 0.02  # share of images; less may be chance
ZERO_GRADIENTS = 0.01  # share of images that may be without a gradient
RANDOM_LOGITS = 1e-3  # difference between two calls, as a share of the largest logit
SLACK = 1e-5  # rounding, in units of the budget
SHOWN = 3  # reasons in a verdict
TRUSTED = "trusted: yes"
PAGE = "docs/explanation/trust.md"

FURTHER = {  # attacks that check: what a reason calls them, with its verb
    "more_steps": f"{2 * STEPS} steps break",
    "restarts": "two random starts break",
    "temperature": "the cross-entropy of scaled logits breaks",
    "identity": "the identity estimator breaks",
    "squares": "random squares break",
    "noise": "noise breaks",
}


@dataclass(frozen=True)
class Reason:
    """A reason not to trust a robust accuracy.

    Args:
        check: the check that raised it; with hyphens, its anchor in docs/explanation/trust.md.
        text: one clause.
        weakness: whether it shows that the attack is weak, so that the accuracy may be too high;
            otherwise the number is not a robust accuracy.
    """

    check: str
    text: str
    weakness: bool = True


def check(
    net: Net, attacked: Net, identity: Net, subject: Subject, seed: int
) -> tuple[dict[str, float], list[Reason]]:
    """Return the metrics of all checks, and the reasons not to trust the attack, if any.

    Args:
        net: the net under attack.
        attacked: the same through the backward pass of the attack.
        identity: the same through the identity estimator.
        subject: the attack in question.
        seed: decides every random choice.

    Metrics:
        trust/trusted (share): 1 if no check objects, else 0
        trust/robust_accuracy (share): images that no check within the budget breaks, through the
            net's own backward pass or the identity estimator, nor the attack through its own or
            the identity estimator; so it depends on the attack only as far as that breaks more
        trust/attack (share): robust accuracy under the attack in question, on these images
        trust/clean (share): accuracy without an attack, on these images
        trust/images (count): checked images
        trust/noise (share): robust accuracy under 20 draws of noise of full size
        trust/squares (share): robust accuracy under 50 random squares
        trust/steps (share): robust accuracy under 20 steps of PGD from the image itself
        trust/single_step (share): robust accuracy under one step of length epsilon
        trust/more_steps (share): robust accuracy under 40 steps of half the length
        trust/restarts (share): robust accuracy under 20 steps from either of two random starts
        trust/temperature (share): robust accuracy under 20 steps on logits scaled to a margin of 1
        trust/identity (share): robust accuracy under 20 steps through the identity estimator
        trust/half_epsilon (share): robust accuracy under 20 steps within half the budget
        trust/double_epsilon (share): robust accuracy under 20 steps within twice the budget
        trust/largest_epsilon (share): robust accuracy under 20 steps to any image
        trust/zero_gradients (share): images at which the gradient of the cross-entropy is zero
        trust/beyond_budget (share): perturbed images further away than allowed, or with pixels
            outside [0, 1]
        trust/random_logits (factor): largest difference between the logits of two calls, over the
            largest logit
        trust/missed_at_end (share): images that the attack breaks on the way, but not at its end
        trust/gradient_free_only (share): images that only attacks without the gradient of the net
            break, these checks included
        trust/probabilities (share): 1 if the outputs are probabilities, else 0
    """
    logits, again = np.asarray(net(subject.images)), np.asarray(net(subject.images))
    clean = logits.argmax(axis=-1) == subject.labels
    broken, within = broken_by_probes(net, attacked, identity, subject, seed, logits)
    values = {name: 1 - b.mean() for name, b in broken.items()}
    values |= {
        "clean": clean.mean(),
        "attack": 1 - subject.broken.mean(),
        "images": len(subject.images),
        "zero_gradients": zero_gradients(attacked, subject.images, subject.labels),
        "beyond_budget": beyond_budget(subject),
        "random_logits": random_logits(logits, again),
        "missed_at_end": subject.missed_at_end.mean(),
        "gradient_free_only": (subject.gradient_free_only & ~broken["steps"]).mean(),
        "probabilities": float(probabilities(logits)),
    }
    further = broken | {"identity": broken["identity"] | subject.identity}
    missed = {name: (b & ~subject.broken).mean() for name, b in further.items()}
    reasons = _reasons(values, missed)
    together = within | subject.broken | subject.identity
    values |= {"robust_accuracy": 1 - together.mean(), "trusted": float(not reasons)}
    return {f"trust/{name}": float(value) for name, value in values.items()}, reasons


def verdict(reasons: list[Reason], metrics: dict[str, float]) -> str:
    """Return one line: `trusted: yes`, or what is wrong, by the first three reasons.

    Args:
        reasons: of `check`, or of a solver.
        metrics: those of `check`, if a reason is about weakness.
    """
    if not reasons:
        return TRUSTED
    reasons = sorted(reasons, key=lambda reason: reason.weakness)
    more = [f"and {len(reasons) - SHOWN} more"] if len(reasons) > SHOWN else []
    details = "; ".join([reason.text for reason in reasons[:SHOWN]] + more)
    address = f"{PAGE}#{reasons[0].check.replace('_', '-')}"
    if not reasons[0].weakness:
        return f"not trusted: {details}; see {address}"
    claimed, limit = (number(metrics[f"trust/{name}"]) for name in ("attack", "robust_accuracy"))
    bound = f"may be below {claimed}" if limit == claimed else f"is at most {limit}, not {claimed}"
    return f"attack too weak: robust accuracy {bound} ({details}); see {address}"


def number(share: float) -> str:
    """Return a share in at most three decimals."""
    return f"{round(share, 3):g}"


def zero_gradients(net: Net, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images at which the gradient of the cross-entropy is zero or missing."""
    gradient, _, _ = Goal(net, tf.constant(labels), targeted=False).gradient(tf.constant(images))
    return float(np.mean(~np.any(gradient.numpy().reshape(len(images), -1), axis=1)))


def beyond_budget(subject: Subject) -> float:
    """Return the share of perturbed images beyond the budget, or with pixels outside [0, 1]."""
    change = (subject.perturbed - subject.images).reshape(len(subject.images), -1)
    size = np.abs(change).max(axis=1) if subject.norm == "linf" else np.linalg.norm(change, axis=1)
    pixels = subject.perturbed.reshape(len(change), -1)
    outside = np.any((pixels < 0) | (pixels > 1), axis=1) & subject.option.get("clip", True)
    within = size <= budget(subject.option) * (1 + SLACK) + SLACK  # false for NaN
    return float(np.mean(outside | ~within))


def random_logits(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest difference between two calls' logits (n, C), over the largest logit."""
    return float(np.abs(first - second).max() / max(np.abs(first).max(), 1e-12))


def probabilities(outputs: np.ndarray) -> bool:
    """Return whether outputs (n, C) are probabilities, whose cross-entropy has little gradient."""
    return bool((outputs >= 0).all() and np.allclose(outputs.sum(axis=-1), 1, atol=1e-4))


def _reasons(values: dict[str, float], missed: dict[str, float]) -> list[Reason]:
    """Return what the checks object to.

    Args:
        values: the metrics without `trust/`.
        missed: by attack, the share of images that it breaks and the attack in question does not.
    """
    weak = _weaknesses(values, missed) if values["attack"] > 0 else []  # 0 cannot be too high
    invalid = {
        "beyond_budget": (
            values["beyond_budget"] > 0,
            f"{number(values['beyond_budget'])} of the images are beyond the budget",
        ),
        "random_logits": (
            values["random_logits"] > RANDOM_LOGITS,
            f"the logits differ by {values['random_logits']:.3g} from call to call",
        ),
    }
    wrong = [
        Reason(name, text, weakness=False) for name, (raised, text) in invalid.items() if raised
    ]
    return weak + wrong


def _weaknesses(values: dict[str, float], missed: dict[str, float]) -> list[Reason]:
    """Return what shows that the attack is weak, what breaks further images first."""
    missing = [
        Reason(name, f"{FURTHER[name]} a further {number(share)}")
        for name, share in sorted(missed.items(), key=lambda item: -item[1])
        if name in FURTHER and share > TOLERANCE
    ]
    contradictory = [Reason(name, text) for name, raised, text in _contradictions(values) if raised]
    return missing + contradictory


def _contradictions(values: dict[str, float]) -> list[tuple[str, bool, str]]:
    """Return each check of one number against another: its name, whether it objects, and why."""
    noise, attack, steps = values["noise"], values["attack"], values["steps"]
    single, double = values["single_step"], values["double_epsilon"]
    falls = values["half_epsilon"] + TOLERANCE >= steps >= double - TOLERANCE
    return [
        (
            "zero_gradients",
            values["zero_gradients"] > ZERO_GRADIENTS,
            f"{number(values['zero_gradients'])} of the images have no gradient",
        ),
        (
            "noise_as_strong",
            noise <= attack and noise < values["clean"] - TOLERANCE,
            f"noise alone leaves {number(noise)}, the attack {number(attack)}",
        ),
        (
            "single_step",
            single < steps - TOLERANCE,
            f"a single step leaves {number(single)}, {STEPS} steps {number(steps)}",
        ),
        ("epsilon", not falls, "the robust accuracy does not fall with epsilon"),
        (
            "largest_epsilon",
            values["largest_epsilon"] > 0,
            f"{number(values['largest_epsilon'])} of the images survive the largest epsilon",
        ),
        (
            "gradient_free_only",
            values["gradient_free_only"] > TOLERANCE,
            f"{number(values['gradient_free_only'])} of the images break only without the gradient",
        ),
        (
            "missed_at_end",
            values["missed_at_end"] > 0,
            f"{number(values['missed_at_end'])} of the images break on the way, but not at the end",
        ),
        (
            "probabilities",
            bool(values["probabilities"]),
            "the outputs are probabilities, not logits",
        ),
    ]
