"""Optimizers from a configuration."""

from typing import Any

import keras

from brnn.errors import ConfigError


def optimizer(keys: dict[str, Any]) -> keras.optimizers.Optimizer:
    """Return a new optimizer of Keras; `brnn.training.loop.fit` sets its learning rate.

    Args:
        keys: the section `optimizer`: a class of `keras.optimizers` as `name`, its arguments, and
            `learning_rate`, which is left out.

    Raises:
        ConfigError: Keras has no such class, or it refuses an argument.
    """
    name = keys["name"]
    arguments = {key: v for key, v in keys.items() if key not in ("name", "learning_rate")}
    kind = getattr(keras.optimizers, name, None)
    if not (isinstance(kind, type) and issubclass(kind, keras.optimizers.Optimizer)):
        raise ConfigError(
            f"optimizer.name must be a class of keras.optimizers, such as Adam, got {name!r}"
        )
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer={name} does not take {arguments}: {error}") from error
