"""The user's environment: variables and files of other tools that decide where and how a run runs.

`tracking_keys` are those of the configuration where none is given. Hydra resolves the same
interpolations on its own.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brnn.config import groups
from brnn.errors import ConfigError

KERAS = {  # settings of Keras that numbers depend on, and the only value of each
    "backend": "tensorflow",
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
}
UNUSED = {  # variables of MLflow, with what is used in place of each
    "MLFLOW_RUN_ID": "each run is a new one, or continues one of the same fingerprint",
    "MLFLOW_EXPERIMENT_ID": "the name counts, MLFLOW_EXPERIMENT_NAME or tracking.experiment",
}
STORE = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME")
_INTERPOLATION = re.compile(r"\$\{oc\.env:(\w+),(.+)\}")


def check_keras() -> None:
    """Check that Keras would be configured as the numbers of this package presuppose.

    Raises:
        ConfigError: its backend or another setting differs; the message names variable or file.
    """
    for key, (value, source) in keras_settings().items():
        if value != KERAS[key]:
            remedy = (
                "set KERAS_BACKEND=tensorflow for this command"
                if key == "backend"
                else "edit the file, or set KERAS_HOME to another folder"
            )
            raise ConfigError(f"{source} must be {KERAS[key]} for brnn; {remedy}")


def keras_settings() -> dict[str, tuple[Any, str]]:
    """Return the settings of Keras that the user has made, each with `name=value` and its file."""
    file = keras_home() / "keras.json"
    try:
        stored = json.loads(file.read_text())
    except (OSError, ValueError):  # Keras passes over it as well
        stored = {}
    settings = {k: (stored[k], f"{k}={stored[k]} in {file}") for k in KERAS if k in stored}
    if backend := os.environ.get("KERAS_BACKEND"):
        settings["backend"] = (backend, f"KERAS_BACKEND={backend}")
    return settings


def keras_home() -> Path:
    """Return the folder of Keras' settings and data sets."""
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()


def unused_variables() -> list[str]:
    """Return a line for each variable of MLflow that is set and has no effect."""
    return [f"{key} is not used: {why}" for key, why in UNUSED.items() if os.environ.get(key)]


def drop_empty_variables() -> None:
    """Remove the variables of the store that are empty, as MLflow ignores them."""
    for name in STORE:
        if not os.environ.get(name, "unset"):
            del os.environ[name]


def tracking_keys() -> dict[str, str]:
    """Return the keys of `tracking` that hold where the user gives none."""
    keys = groups.option("", "config")["tracking"]
    return {key: resolved(value, os.environ) for key, value in keys.items()}


def resolved(value: Any, environment: Mapping[str, str]) -> Any:
    """Return a value of a YAML file, `${oc.env:NAME,default}` replaced by what it stands for."""
    match = _INTERPOLATION.fullmatch(value) if isinstance(value, str) else None
    return environment.get(match[1]) or match[2] if match else value
