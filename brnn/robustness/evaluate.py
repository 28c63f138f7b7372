"""Evaluation of robustness: an attack, its controls, its curves and its checks."""

from typing import Literal

import numpy as np

from brnn.attacks.batches import perturbed
from brnn.config import groups
from brnn.config.attack_options import is_ensemble, sees_gradient
from brnn.config.ranges import Count, Natural, Positive
from brnn.proof import cp_sat
from brnn.robustness import trust
from brnn.robustness.metrics import measure
from brnn.robustness.nets import Nets
from brnn.robustness.runner import Report, noise, run_attack
from brnn.robustness.samples import Attacked, choose, predicted


def evaluate(
    all_nets: Nets,
    option: dict,
    *,
    images: Count,
    choice: Literal["first", "random"],
    target: Literal["random"] | Natural,
    estimator: str,
    source: str | None,
    checks: bool,
    curve_epsilons: list[Positive],
    curve_iterations: list[Count],
) -> Report:
    """Attacks the discretized net as an option of the group `attack` says, and measures what came of it.

    The metrics `attack/` are of the attack through the backward pass of `estimator` or the surrogate `source`,
    `attack_identity/` of the same through the identity estimator (where a gradient is used), `attack_noise/` of
    uniform noise of the same size; `trust/` are the checks of `brnn.trust`.
    """
    seed, plugins = all_nets.options["seed"], all_nets.options["plugins"]
    net = all_nets.through("trained")
    victims = choose(net.model, all_nets.data, seed, images, choice, target)
    if option["name"] == "exact":
        return _decide(all_nets, option, victims)
    report = run_attack(all_nets, option, victims)
    identity = None
    if sees_gradient(option, plugins) and not is_ensemble(option) and source is None:
        identity = run_attack(all_nets, option | {"estimator": "identity"}, victims)
        report.metrics |= {
            key.replace("attack/", "attack_identity/"): value
            for key, value in identity.metrics.items()
        }
    noisy = noise(victims, report.images, option.get("clip", True), seed)
    report.metrics |= measure(
        "attack_noise", victims, noisy, predicted(net.model, noisy), report.targeted
    )
    report.metrics["attack/images"] = len(victims.images)
    for key, values in (("epsilon", curve_epsilons), ("iterations", curve_iterations)):
        runs = {value: run_attack(all_nets, option | {key: value}, victims) for value in values}
        none = [(0.0, report.metrics["attack/clean_accuracy"])] if runs else []
        report.curves[key] = none + [
            (value, run.metrics["attack/robust_accuracy"]) for value, run in runs.items()
        ]
    if checks:
        rows = np.arange(min(trust.IMAGES, len(victims.images)))
        subject = _subject(all_nets, option, report, identity, rows)
        looked = all_nets.through("identity" if is_ensemble(option) else estimator)
        all_nets.tell("checks", 0.0)
        found, report.reasons = trust.check(
            net, looked, all_nets.through("identity"), subject, seed
        )
        report.metrics |= found
    return report


def _subject(all_nets, option, report, identity, rows) -> trust.Subject:
    """Some images of an attack for the checks, with what half of its iterations break and all do not."""
    victims, silent = report.victims.of(rows), np.zeros(len(rows), bool)
    broken = report.predictions[rows] != victims.labels
    if option.get("iterations", 1) > 1:
        half = run_attack(all_nets, option | {"iterations": option["iterations"] // 2}, victims)
        wish = victims.targets if report.targeted else victims.labels
        halfway, end = (
            (classes == wish) == report.targeted
            for classes in (half.predictions, report.predictions[rows])
        )
        silent = halfway & ~end
    other = None if identity is None else identity.predictions[rows] != victims.labels
    return trust.Subject(
        option,
        victims.images,
        victims.labels,
        report.images[rows],
        broken,
        silent,
        report.blind[rows],
        other,
    )


def _decide(all_nets: Nets, option: dict, victims: Attacked) -> Report:
    """The verdict of a solver on each image, after PGD through the identity estimator had its try."""
    net, plugins, seed = (
        all_nets.through("identity"),
        all_nets.options["plugins"],
        all_nets.options["seed"],
    )
    budget = {"epsilon": option["epsilon"]}
    found = {}
    for name in ("pgd", "noise"):
        attack = groups.function("attack", groups.option("attack", name) | budget, plugins)
        found[name] = perturbed(attack, net, victims.images, victims.labels, seed)
    broken = {name: predicted(net, images) != victims.labels for name, images in found.items()}
    decide = groups.function("attack", option, plugins)
    verdicts = []
    for image, label, example in zip(
        victims.images, victims.labels.tolist(), found["pgd"], strict=True
    ):
        all_nets.tell(
            f"exact: {len(verdicts)} of {len(victims.images)} images",
            len(verdicts) / len(victims.images),
        )
        verdicts.append(decide(net.model, image, label, example))
    images = np.stack(
        [x if v.image is None else v.image for x, v in zip(victims.images, verdicts, strict=True)]
    )
    status = np.array([verdict.status for verdict in verdicts])
    shares = {
        name: float(np.mean(status == name))
        for name in (cp_sat.CERTIFIED, cp_sat.BROKEN, cp_sat.UNKNOWN)
    }
    classes = predicted(net, images)
    metrics = measure("attack", victims, images, classes, False) | {
        f"attack_exact/{name}": v for name, v in shares.items()
    }
    metrics |= {
        "attack_exact/robust_accuracy_low": shares[cp_sat.CERTIFIED],
        "attack_exact/robust_accuracy_high": shares[cp_sat.CERTIFIED] + shares[cp_sat.UNKNOWN],
        "attack_exact/seconds": float(np.mean([verdict.seconds for verdict in verdicts])),
        **{
            f"attack_exact/robust_accuracy_{name}": float(1 - wrong.mean())
            for name, wrong in broken.items()
        },
    }
    wrong = int(np.sum((status == cp_sat.CERTIFIED) & np.any(list(broken.values()), axis=0)))
    reasons = (
        [f"{shares[cp_sat.UNKNOWN]:.3f} of the images are undecided"]
        if shares[cp_sat.UNKNOWN]
        else []
    )
    reasons += (
        [f"{wrong} certified images are broken by an attack, which is a bug of brnn"]
        if wrong
        else []
    )
    return Report(victims, images, classes, False, metrics, np.zeros(len(images), bool), reasons)
