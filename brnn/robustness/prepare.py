"""Checks of an attack before training."""

from typing import Any

import numpy as np

from brnn.attacks.goals import check_classes
from brnn.attacks.toolbox import evasion_attack
from brnn.config import groups
from brnn.config.attack_options import is_ensemble, members
from brnn.data.dataset import Data
from brnn.errors import ConfigError, DataError
from brnn.nets.models import untrained_model
from brnn.nets.task import task_of
from brnn.proof import keras_reader
from brnn.proof.cp_sat import check_solver


def prepare(options: dict[str, Any], data: Data) -> None:
    """Check the attack of a configuration against its data and its net; called before training.

    Args:
        options: a checked configuration.
        data: its data set.

    Raises:
        ConfigError: it cannot run.
    """
    option = options["attack"]
    check_attack(option, options["plugins"], data.classes, data.test[1])
    if option["name"] == "exact":
        _check_exact(options, data)


def check_attack(
    option: dict[str, Any], plugins: list[str], classes: int, labels: np.ndarray
) -> None:
    """Check an attack against the classes of the data.

    Args:
        option: a complete option of the group `attack`.
        plugins: packages whose attacks may be named with dots.
        classes: the number of classes.
        labels: those of the images that may be attacked (n,).

    Raises:
        ConfigError: a loss, a target or another key does not fit.
    """
    for name, member in members(option, plugins).items():
        key = f"attack.members: {name}" if is_ensemble(option) else "attack.loss"
        check_classes(member.get("loss"), classes, key)
    if option["name"] == "art":
        evasion_attack(option["method"])
    _check_keys(option, classes, labels)


def _check_keys(option: dict[str, Any], classes: int, labels: np.ndarray) -> None:
    name, target = option["name"], option["target"]
    for key, curve in (("iterations", "curve_iterations"), ("epsilon", "curve_epsilons")):
        if option[curve] and key not in option:
            raise ConfigError(f"attack={name} has no key {key}, which attack.{curve} varies")
    if option["checks"] and "epsilon" not in option and name != "none":
        raise ConfigError(
            f"attack.checks needs a key epsilon, and {name} has none; use attack.checks=false"
        )
    if target == "random":
        return
    if target >= classes:
        raise ConfigError(
            f"attack.target must be random or a class from 0 to {classes - 1}, got {target}"
        )
    if np.all(labels == target):
        raise ConfigError(
            f"attack.target={target} leaves no image to attack, since it is the class of them all"
        )


def _check_exact(options: dict[str, Any], data: Data) -> None:
    """Refuse a net or a solver that cannot be used."""
    attack = options["attack"]
    check_solver("attack.", attack["solver"], attack["pixels"])
    if attack["pixels"] == "whole" and data.test[0].dtype != np.uint8:
        raise ConfigError("attack.pixels=whole needs images of bytes; use real")
    precision = groups.function("precision", options["precision"], options["plugins"])()
    if precision.activation is None:
        name = options["precision"]["name"]
        raise ConfigError(f"attack=exact needs discretized activations, got precision={name}")
    model = keras_reader.of_logits(untrained_model(options, task_of(data), "identity"))
    try:
        keras_reader.read(model, 1, whole=False)
    except DataError as error:
        raise ConfigError(f"attack=exact: {error}") from error
