"""The evaluation of an attack with its controls, curves and checks."""

from typing import Any, Literal

import numpy as np

from brnn.config.attack_options import is_ensemble, norm_of, sees_gradient
from brnn.config.ranges import Count, Natural, Positive
from brnn.robustness import trust
from brnn.robustness.certify import certify
from brnn.robustness.metrics import measure
from brnn.robustness.nets import Nets, RunNets
from brnn.robustness.probes import Subject
from brnn.robustness.runner import Report, noise, run_attack
from brnn.robustness.samples import Samples, choose, predicted


def evaluate_run(
    nets: RunNets,
    option: dict[str, Any],
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
    """Attack the net of a run on images of its test set; see `assess`.

    Args:
        nets: the nets of the run.
        option: a complete option of the group `attack`, these keys included.
        images: how many at most.
        choice: the first or random ones.
        target: of a targeted attack: `random`, or one class for all images.
        estimator: of the backward pass that the attack sees.
        source: of a surrogate that it sees instead.
        checks: whether to check that the robust accuracy can be trusted.
        curve_epsilons: further budgets to attack with.
        curve_iterations: further numbers of iterations to attack with.
    """
    data, net = nets.data, nets.through("trained").logits
    samples = choose(
        net,
        data.test,
        data.classes,
        nets.seed,
        images=images,
        choice=choice,
        target=target,
    )
    return assess(
        nets,
        option,
        samples,
        estimator=estimator,
        source=source,
        checks=checks,
        curve_epsilons=curve_epsilons,
        curve_iterations=curve_iterations,
    )


def assess(
    nets: Nets,
    option: dict[str, Any],
    samples: Samples,
    *,
    estimator: str,
    source: str | None,
    checks: bool,
    curve_epsilons: list[float],
    curve_iterations: list[int],
) -> Report:
    """Attack images, measure the result, and compare it with controls.

    The controls are the same attack through the identity estimator (of a single attack that sees
    the gradient of the net), and noise of the same size.

    Args:
        nets: the net under attack.
        option: a complete option of the group `attack`, these keys included.
        samples: the clean images.
        estimator: see `evaluate_run`, as for the other keys.
        source: of a surrogate.
        checks: whether to run `brnn.robustness.trust`.
        curve_epsilons: further budgets.
        curve_iterations: further numbers of iterations.

    Metrics:
        attack/images (count): attacked images
        attack_identity/{metric} (as attack/{metric}): of the same attack through the identity
            estimator
        attack_noise/{metric} (as attack/{metric}): of noise, for each image of the same norm as
            its perturbation, in the norm of the attack
    """
    if option["name"] == "exact":
        return certify(nets, option, samples)
    report = run_attack(nets, option, samples)
    identity = None
    if sees_gradient(option, nets.plugins) and not is_ensemble(option) and source is None:
        identity = report
        if nets.through("identity") is not nets.through(estimator):
            identity = run_attack(nets, option | {"estimator": "identity"}, samples)
        report.metrics |= {
            name.replace("attack/", "attack_identity/"): value
            for name, value in identity.metrics.items()
        }
    report.metrics |= _noise_metrics(nets, option, report)
    report.metrics["attack/images"] = len(samples.images)
    report.curves = {
        "epsilon": _curve(nets, option, report, "epsilon", curve_epsilons),
        "iterations": _curve(nets, option, report, "iterations", curve_iterations),
    }
    if checks:
        through = "identity" if is_ensemble(option) else estimator
        _check(nets, option, report, identity, through)
    return report


def _noise_metrics(nets: Nets, option: dict[str, Any], report: Report) -> dict[str, float]:
    noisy = noise(
        report.samples, report.images, norm_of(option), option.get("clip", True), nets.seed
    )
    classes = predicted(nets.through("trained").logits, noisy)
    return measure("attack_noise", report.samples, noisy, classes, report.targeted)


def _curve(
    nets: Nets, option: dict[str, Any], report: Report, key: str, values: list[Any]
) -> list[tuple[float, float]]:
    """Return points (value, robust accuracy) of the attack with other values of a key."""
    if not values:
        return []
    runs = [run_attack(nets, option | {key: value}, report.samples) for value in values]
    accuracies = [run.metrics["attack/robust_accuracy"] for run in runs]
    clean = report.metrics["attack/clean_accuracy"]
    return [(0.0, clean), *zip(values, accuracies, strict=True)]


def _check(
    nets: Nets, option: dict[str, Any], report: Report, identity: Report | None, through: str
) -> None:
    """Add the checks of the first images to a report."""
    rows = np.arange(min(trust.IMAGES, len(report.images)))
    subject = _subject(nets, option, report, identity, rows)
    net, attacked = nets.through("trained"), nets.through(through)
    nets.on_progress("checks", 0.0)
    metrics, report.reasons = trust.check(
        net, attacked, nets.through("identity"), subject, nets.seed
    )
    report.metrics |= metrics


def _subject(
    nets: Nets, option: dict[str, Any], report: Report, identity: Report | None, rows: np.ndarray
) -> Subject:
    """Return some images of an attack, with those that only half of its iterations break."""
    samples, missed_at_end = report.samples.take(rows), np.zeros(len(rows), bool)
    classes = report.predictions[rows]
    if option.get("iterations", 1) > 1:
        half = run_attack(nets, option | {"iterations": option["iterations"] // 2}, samples)
        labels = samples.targets if report.targeted else samples.labels
        halfway, end = (
            (predictions == labels) == report.targeted
            for predictions in (half.predictions, classes)
        )
        missed_at_end = halfway & ~end
    return Subject(
        option=option,
        images=samples.images,
        labels=samples.labels,
        perturbed=report.images[rows],
        broken=classes != samples.labels,
        missed_at_end=missed_at_end,
        gradient_free_only=report.gradient_free_only[rows],
        identity=np.zeros(len(rows), bool)
        if identity is None
        else identity.predictions[rows] != samples.labels,
    )
