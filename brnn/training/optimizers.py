"""Optimizers from a configuration."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import keras
import numpy as np

from brnn.config import schema
from brnn.errors import ConfigError
from brnn.training.bop import Bop, Bop2ndOrder

BOPS = {"Bop": Bop, "Bop2ndOrder": Bop2ndOrder}


def optimizer(
    keys: dict[str, Any], latent: list[keras.Variable], real: list[keras.Variable]
) -> keras.optimizers.Optimizer:
    """Return a new optimizer; `brnn.training.loop.fit` sets its learning rate.

    Args:
        keys: the section `optimizer`: a class of `keras.optimizers` or a Bop as `name`, its
            arguments, and the keys of every optimizer.
        latent: the discretized variables.
        real: the others.

    Raises:
        ConfigError: Keras has no such class, or it refuses an argument.
    """
    name = keys["name"]
    of_every = {field.name for field in fields(schema.Optimizer)}
    arguments = {key: value for key, value in keys.items() if key not in of_every}
    kind = BOPS.get(name) or getattr(keras.optimizers, name, None)
    if name in BOPS:
        arguments["binary"] = [variable.path for variable in latent]
    if not (isinstance(kind, type) and issubclass(kind, keras.optimizers.Optimizer)):
        raise ConfigError(
            f"optimizer.name must be {', '.join(BOPS)} or a class of keras.optimizers, as Adam, got"
            f" {name!r}"
        )
    try:
        built = kind(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer={name} does not take {arguments}: {error}") from error
    decayed = "real" if name in BOPS else keys["decayed"]  # signs do not decay
    kept = {"all": [], "latent": real, "real": latent}[decayed]
    built.exclude_from_weight_decay(kept)
    return built


def with_own_rates(
    given: keras.optimizers.Optimizer,
) -> tuple[keras.optimizers.Optimizer, Callable[[np.ndarray, int], np.ndarray]]:
    """Return an optimizer whose learning rate can be set, and its own learning rates.

    Args:
        given: an optimizer, whose learning rate is a number or a schedule of Keras.

    Returns:
        optimizer: the given one, or where it has a schedule a new one with its other arguments.
        rates: `rates(steps, total)`, the learning rates of `steps`.
    """
    config = given.get_config()
    if not isinstance(config["learning_rate"], dict):
        return given, lambda steps, total: np.full(len(steps), float(config["learning_rate"]))
    schedule = keras.optimizers.schedules.deserialize(config["learning_rate"])
    settable = type(given).from_config(config | {"learning_rate": 0.0})
    return settable, lambda steps, total: np.array([float(schedule(step)) for step in steps])
