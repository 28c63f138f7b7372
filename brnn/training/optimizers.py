"""Optimizers from a configuration."""

import keras

from brnn.errors import ConfigError


def optimizer(keys):
    keys = {
        key: value for key, value in keys.items() if key != "learning_rate"
    }  # which each step sets
    name = keys.pop("name")
    optimizer = getattr(keras.optimizers, name, None)
    if not (isinstance(optimizer, type) and issubclass(optimizer, keras.optimizers.Optimizer)):
        raise ConfigError(
            f"optimizer.name must be a class of keras.optimizers, such as Adam, got {name!r}"
        )
    try:
        return optimizer(**keys)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer={name} does not take {keys}: {error}") from error
