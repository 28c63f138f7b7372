"""Checks of an attack before training."""

import numpy as np

from brnn.attacks import external
from brnn.config import groups
from brnn.config.attack_options import members
from brnn.errors import ConfigError, require
from brnn.robustness.nets import Nets
from brnn.training import loop


def prepare(options: dict, data, store) -> None:
    """Raises `ConfigError` for an attack that could not run; called before training.

    `store` is that of the runs which an attack may have as its source.
    """
    option = options["attack"]
    given = members(option, options["plugins"]).values()
    if data.classes < 3 and any(member.get("loss") == "dlr" for member in given):
        raise ConfigError(
            f"attack.loss=dlr needs at least 3 classes, got {data.classes}; use margin"
        )
    if option["name"] == "exact":
        _check_exact(options)
    if option["name"] == "art":
        external.evasion_attack(option["method"])
    _check_keys(option, data)
    for source in {member["source"] for member in given} - {None, "twin"}:
        Nets(options, data, [], store.net, loop.no_progress).through("trained", source)


def _check_keys(option: dict, data) -> None:
    """Raises `ConfigError` for keys that ask for what an attack has not, or leave it no image."""
    name, target = option["name"], option["target"]
    for key, curve in (("iterations", "curve_iterations"), ("epsilon", "curve_epsilons")):
        if option[curve] and key not in option:
            raise ConfigError(f"attack={name} has no {key} to draw a curve over")
    if option["checks"] and "epsilon" not in option and name != "none":
        raise ConfigError(
            f"attack.checks needs a key epsilon, which {name} has not; use attack.checks=false"
        )
    if target == "random":
        return
    if target >= data.classes:
        raise ConfigError(
            f"attack.target must be random or a class from 0 to {data.classes - 1}, got {target}"
        )
    if np.all(data.test[1] == target):
        raise ConfigError(
            f"attack.target={target} leaves no image to attack, since it is the class of them all"
        )


def _check_exact(options: dict) -> None:
    """Raises `ConfigError` for a net or a solver that cannot be used."""
    quantizer = groups.function("precision", options["precision"], options["plugins"])().activation
    around_zero = np.float32([-2, -1e-3, 0, 1e-3, 2])
    if quantizer is None or not np.array_equal(quantizer(around_zero, None), [-1, -1, 1, 1, 1]):
        raise ConfigError(
            f"attack=exact needs activations of -1 and +1, got precision={options['precision']['name']}"
        )
    if options["attack"]["solver"] != "cp_sat":
        return
    require("ortools", "attack.solver=cp_sat", "exact")
    keys = options["topology"]
    if not keys.get("binary_input") or keys.get("batch_normalization"):
        raise ConfigError(
            "attack.solver=cp_sat needs topology.binary_input=true and topology.batch_normalization=false; use highs"
        )
