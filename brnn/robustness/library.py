"""The evaluation of an attack from Python, without a configuration or a store."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import yaml

from brnn import paths
from brnn.attacks.arrays import checked_arrays, plain
from brnn.config import groups, signatures
from brnn.config.attack_options import check_backward, is_ensemble, members
from brnn.config.check_keys import check_option
from brnn.contracts import Array, OnProgress
from brnn.errors import DataError
from brnn.robustness.evaluate import assess
from brnn.robustness.model_nets import ModelNets
from brnn.robustness.prepare import check_attack
from brnn.robustness.runner import Report
from brnn.robustness.samples import choose
from brnn.training.loop import no_progress

ASSESSED = ("estimator", "source", "checks", "curve_epsilons", "curve_iterations")


def evaluate_model(
    net: Callable[[Array], Array],
    x: Any,
    y: Any,
    attack: str = "pgd",
    *,
    seed: int = 0,
    checks: bool = True,
    twin: Callable[[Array], Array] | None = None,
    on_progress: OnProgress = no_progress,
    **keys: Any,
) -> Report:
    """Attack a model, and return what a run logs of an attack: accuracies, controls and checks.

    Args:
        net: a Keras model, a `QuantManager`, or any function of TensorFlow, from images to logits.
            A model that `QuantManager.discretized` returned has no backward pass left: pass its
            manager.
        x: images (n, *d), floats in [0, 1] or bytes; all are attacked.
        y: their classes, whole numbers (n,) or (n, 1).
        attack: an option of the group `attack`, ensembles and presets included.
        seed: decides every random choice.
        checks: whether to check that the robust accuracy can be trusted.
        twin: a full-precision model for the same task, for members with `source=twin`. Without one
            an ensemble leaves such members out, and warns of it.
        on_progress: called while attacks run.
        **keys: of the attack, and those of every attack but `images` and `choice`; what is not
            given is the default of `conf/attack/<attack>.yaml`.

    Returns:
        A report: `metrics` by name, `verdict`, and the perturbed `images`.

    Raises:
        ConfigError: a key is unknown or has a bad value, or the control cannot be run since the
            model cannot be cloned.
        DataError: `x` and `y` are not images and their classes.
    """
    images, labels = checked_arrays(x, y)
    option = _option(attack, plain(keys) | {"images": len(images), "checks": checks})
    nets = ModelNets(net, images[:1], twin, seed, on_progress)
    model = nets.through("trained").model
    classes = np.asarray(model(images[:1])).shape[-1]
    if labels.max() >= classes:
        raise DataError(f"y must hold classes from 0 to {classes - 1}, got {labels.max()}")
    check_attack(option, [], classes, labels)
    if twin is None and not nets.full_precision:
        option = _without_twin(option)
    chosen = {key: option[key] for key in ("images", "choice", "target")}
    samples = choose(model, (images, labels), classes, seed, **chosen)
    return assess(nets, option, samples, **{key: option[key] for key in ASSESSED})


def _option(attack: str, keys: dict[str, Any]) -> dict[str, Any]:
    """Return the complete option of an attack, checked as in a configuration."""
    shared = yaml.safe_load((paths.conf() / "attack_keys.yaml").read_text())
    option = shared | groups.option("attack", attack) | keys
    check_option("attack", option, [], signatures.parameters(*groups.SHARED["attack"]))
    check_backward(option["estimator"], "attack.estimator")
    return option


def _without_twin(option: dict[str, Any]) -> dict[str, Any]:
    """Return an ensemble without its members that need a twin."""
    if not is_ensemble(option) or "members" not in option:
        return option
    needing = [name for name, m in members(option, []).items() if m["source"] == "twin"]
    if not needing:
        return option
    warnings.warn(
        f"attack={groups.label(option)} leaves out {', '.join(needing)}, since there is no twin;"
        " pass twin=<a full-precision model>",
        stacklevel=3,
    )
    return option | {"members": [name for name in option["members"] if name not in needing]}
