"""Robustness decided by a solver."""

from typing import Any

import numpy as np

from brnn.attacks.batches import perturbed
from brnn.config import groups
from brnn.config.attack_options import COMPARED_WITH_EXACT
from brnn.data.pixels import grey
from brnn.proof import kept_verdicts
from brnn.proof.attacked import AttackedNet
from brnn.proof.decide import METHODS, SAT, UNSAT, Verdict
from brnn.robustness.metrics import measure
from brnn.robustness.nets import Nets
from brnn.robustness.runner import Report
from brnn.robustness.samples import Samples, predicted
from brnn.robustness.trust import Reason, number

CERTIFIED, BROKEN, UNKNOWN = "certified", "broken", "unknown"
COMPARED_NORMS = ("linf", "l2")  # of the attacks that stand beside verdicts
STATUSES = {SAT: BROKEN, UNSAT: CERTIFIED}  # of verdicts; others are unknown


def certify(nets: Nets, option: dict[str, Any], samples: Samples) -> Report:
    """Decide for each image whether any perturbation within the budget breaks it.

    Verdicts of images are kept in the file `nets.verdicts`, so that none is repeated after a kill.

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
            estimator, for comparison; in L-inf and L2
        attack_exact/robust_accuracy_noise (share): robust accuracy under `attack=noise`
        attack_exact/seconds (seconds): mean time of an image
        attack_exact/classes_interval (count): rival classes that interval bounds exclude, mean over
            the images that neither the clean image nor PGD breaks
        attack_exact/classes_tried (count): rival classes that trying all grey levels excludes, mean
            as of classes_interval
        attack_exact/classes_lp (count): rival classes that linear relaxations exclude, likewise
        attack_exact/classes_integer (count): rival classes that integer programs exclude, likewise
        attack_exact/classes_open (count): rival classes that are not excluded, those of a broken
            image included, likewise
        attack_exact/open_units (count): hidden units, and pixels that the net rounds to one bit,
            whose value interval bounds leave open within attack.epsilon, mean over all images
        attack_exact/minimal_low (as attack.epsilon): with attack.minimal, mean budget that provably
            breaks no image
        attack_exact/minimal_high (as attack.epsilon): mean budget of the smallest change found,
            over the images that have one
        attack_exact/minimal_proved (share): images whose smallest change is proved; of real pixels
            and in L2 up to a factor of 1.1
    """
    net = nets.through("identity")
    attempts = _attempts(nets, option, samples)
    broken = {name: predicted(net, images) != samples.labels for name, images in attempts.items()}
    examples = attempts.get(COMPARED_WITH_EXACT[0], samples.images)
    verdicts = _verdicts(nets, option, samples, examples)
    pairs = zip(samples.images, verdicts, strict=True)
    images = np.stack([x if v.witness is None or v.status != SAT else v.witness for x, v in pairs])
    status = np.array([STATUSES.get(verdict.status, UNKNOWN) for verdict in verdicts])
    shares = {s: float(np.mean(status == s)) for s in (CERTIFIED, BROKEN, UNKNOWN)}
    exact = {
        **shares,
        "robust_accuracy_low": shares[CERTIFIED],
        "robust_accuracy_high": shares[CERTIFIED] + shares[UNKNOWN],
        **{f"robust_accuracy_{name}": float(1 - b.mean()) for name, b in broken.items()},
        "seconds": float(np.mean([verdict.seconds for verdict in verdicts])),
        **_excluded(verdicts),
        "open_units": _open_units(nets, option, samples),
        **_radii(verdicts),
    }
    classes = predicted(net, images)
    metrics = measure("attack", samples, images, classes, False)
    metrics |= {f"attack_exact/{name}": value for name, value in exact.items()}
    contradicted = (status == CERTIFIED) & np.array(list(broken.values())).any(axis=0)
    reasons = _reasons(shares[UNKNOWN], int(contradicted.sum()))
    return Report(samples, images, classes, False, metrics, np.zeros(len(images), bool), reasons)


def _attempts(nets: Nets, option: dict[str, Any], samples: Samples) -> dict[str, np.ndarray]:
    """Return the images under the attacks that stand beside the verdicts; none in L0 and L1."""
    net, results = nets.through("identity"), {}
    for name in COMPARED_WITH_EXACT if option["norm"] in COMPARED_NORMS else ():
        keys = {key: option[key] for key in ("epsilon", "norm")}
        attack = groups.function("attack", groups.option("attack", name) | keys, nets.plugins)
        images = perturbed(attack, net, samples.images, samples.labels, nets.seed)
        results[name] = grey(images, samples.images) if option["pixels"] == "whole" else images
    return results


def _verdicts(
    nets: Nets, option: dict[str, Any], samples: Samples, examples: np.ndarray
) -> list[Verdict]:
    """Return the verdict of each image; those that an earlier process kept are not repeated."""
    decide = groups.function("attack", option, nets.plugins)
    verdicts = kept_verdicts.read(nets.verdicts, samples.images.shape[1:])
    total, done = len(examples), len(verdicts)
    rest = samples.images[done:], samples.labels[done:], examples[done:]

    def on_progress(label: str, share: float) -> None:
        nets.on_progress(f"exact: image {len(verdicts) + 1} of {total}", len(verdicts) / total)

    if done < total:
        on_progress("", 0.0)
        for verdict in decide(nets.through("identity").model, *rest, on_progress):
            kept_verdicts.append(nets.verdicts, verdict)
            verdicts.append(verdict)
    return verdicts


def _excluded(verdicts: list[Verdict]) -> dict[str, float]:
    """Return the mean number of classes of an image that each method excluded."""
    cases = [verdict.cases for verdict in verdicts if verdict.cases]
    kinds = (*METHODS, "open")
    return {f"classes_{k}": float(np.mean([c[k] for c in cases])) if cases else 0.0 for k in kinds}


def _open_units(nets: Nets, option: dict[str, Any], samples: Samples) -> float:
    """Return the mean number of units that interval bounds leave open."""
    model, whole = nets.through("identity").model, option["pixels"] == "whole"
    net = AttackedNet(model, option["norm"], whole)
    return float(np.mean([net.open_units(x, option["epsilon"]) for x in samples.images]))


def _radii(verdicts: list[Verdict]) -> dict[str, float]:
    """Return the bounds on the smallest budgets, where these were sought."""
    pairs = [verdict.radius for verdict in verdicts if verdict.radius]
    if not pairs:
        return {}
    low, high = np.array(pairs).T
    proved = [verdict.proved for verdict in verdicts if verdict.radius]
    bounds = {"minimal_low": float(low.mean()), "minimal_proved": float(np.mean(proved))}
    finite = high[np.isfinite(high)]
    return bounds | ({"minimal_high": float(finite.mean())} if finite.size else {})


def _reasons(undecided: float, contradicted: int) -> list[Reason]:
    reasons = []
    if undecided:
        text = f"{number(undecided)} of the images are undecided"
        reasons.append(Reason("undecided", text, weakness=False))
    if contradicted:
        text = f"an attack breaks {contradicted} certified images"
        reasons.append(Reason("contradicted_certificate", text, weakness=False))
    return reasons
