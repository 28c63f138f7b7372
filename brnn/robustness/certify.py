"""Robustness decided by a solver."""

from typing import Any

import numpy as np

from brnn.attacks.batches import perturbed
from brnn.config import groups
from brnn.config.attack_options import COMPARED_WITH_EXACT
from brnn.proof.cp_sat import BROKEN, CERTIFIED, UNKNOWN
from brnn.proof.exact import Verdict
from brnn.robustness.metrics import measure
from brnn.robustness.nets import Nets
from brnn.robustness.runner import Report
from brnn.robustness.samples import Samples, predicted
from brnn.robustness.trust import Reason, number


def certify(nets: Nets, option: dict[str, Any], samples: Samples) -> Report:
    """Decide for each image whether any perturbation within the budget breaks it.

    Args:
        nets: the net under attack.
        option: the complete option `attack=exact`.
        samples: the clean images.

    Metrics:
        attack_exact/certified (share): images that no perturbation breaks
        attack_exact/broken (share): images that a perturbation breaks
        attack_exact/unknown (share): images undecided within the time limit
        attack_exact/robust_accuracy_low (share): lower bound: certified
        attack_exact/robust_accuracy_high (share): upper bound: certified + unknown
        attack_exact/robust_accuracy_pgd (share): robust accuracy under PGD through the identity
            estimator, for comparison
        attack_exact/robust_accuracy_noise (share): robust accuracy under `attack=noise`
        attack_exact/seconds (seconds): mean time of an image
    """
    net = nets.through("identity")
    attempts = {
        name: _attempt(nets, name, option["epsilon"], samples) for name in COMPARED_WITH_EXACT
    }
    broken = {name: predicted(net, images) != samples.labels for name, images in attempts.items()}
    verdicts = _verdicts(nets, option, samples, attempts[COMPARED_WITH_EXACT[0]])
    images = np.stack(
        [x if v.image is None else v.image for x, v in zip(samples.images, verdicts, strict=True)]
    )
    status = np.array([verdict.status for verdict in verdicts])
    shares = {s: float(np.mean(status == s)) for s in (CERTIFIED, BROKEN, UNKNOWN)}
    exact = {
        **shares,
        "robust_accuracy_low": shares[CERTIFIED],
        "robust_accuracy_high": shares[CERTIFIED] + shares[UNKNOWN],
        **{f"robust_accuracy_{name}": float(1 - b.mean()) for name, b in broken.items()},
        "seconds": float(np.mean([verdict.seconds for verdict in verdicts])),
    }
    classes = predicted(net, images)
    metrics = measure("attack", samples, images, classes, False)
    metrics |= {f"attack_exact/{name}": value for name, value in exact.items()}
    contradicted = (status == CERTIFIED) & np.any(list(broken.values()), axis=0)
    reasons = _reasons(shares[UNKNOWN], int(contradicted.sum()))
    return Report(samples, images, classes, False, metrics, np.zeros(len(images), bool), reasons)


def _attempt(nets: Nets, name: str, epsilon: float, samples: Samples) -> np.ndarray:
    option = groups.option("attack", name) | {"epsilon": epsilon}
    attack = groups.function("attack", option, nets.plugins)
    net = nets.through("identity")
    return perturbed(attack, net, samples.images, samples.labels, nets.seed)


def _verdicts(
    nets: Nets, option: dict[str, Any], samples: Samples, examples: np.ndarray
) -> list[Verdict]:
    decide = groups.function("attack", option, nets.plugins)
    model, total = nets.through("identity").model, len(examples)
    verdicts: list[Verdict] = []
    for image, label, example in zip(samples.images, samples.labels, examples, strict=True):
        done = len(verdicts)
        nets.on_progress(f"exact: {done} of {total} images", done / total)
        verdicts.append(decide(model, image, int(label), example))
    return verdicts


def _reasons(undecided: float, contradicted: int) -> list[Reason]:
    reasons = []
    if undecided:
        text = f"{number(undecided)} of the images are undecided"
        reasons.append(Reason("undecided", text, weakness=False))
    if contradicted:
        text = f"an attack breaks {contradicted} certified images"
        reasons.append(Reason("contradicted_certificate", text, weakness=False))
    return reasons
