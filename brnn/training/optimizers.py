"""Optimizers from a configuration."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from brnn.errors import ConfigError
from brnn.training.bop import Bop


def optimizer(keys: dict[str, Any], binary: list[str]) -> keras.optimizers.Optimizer:
    """Return a new optimizer; `brnn.training.loop.fit` sets its learning rate.

    Args:
        keys: the section `optimizer`: a class of `keras.optimizers` or Bop as `name`, its
            arguments, and `learning_rate`, which is left out.
        binary: paths of the discretized variables, for Bop.

    Raises:
        ConfigError: Keras has no such class, or it refuses an argument.
    """
    name = keys["name"]
    arguments = {key: v for key, v in keys.items() if key not in ("name", "learning_rate")}
    kind = Bop if name == "Bop" else getattr(keras.optimizers, name, None)
    if kind is Bop:
        arguments["binary"] = binary
    if not (isinstance(kind, type) and issubclass(kind, keras.optimizers.Optimizer)):
        raise ConfigError(
            f"optimizer.name must be Bop or a class of keras.optimizers, as Adam, got {name!r}"
        )
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer={name} does not take {arguments}: {error}") from error


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
