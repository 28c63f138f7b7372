"""Overrides of the command line."""

import re

from brnn.config.fingerprint import IRRELEVANT_KEYS
from brnn.errors import ConfigError

TOLD = (
    "precision",
    "estimator",
    "topology",
    "seed",
    "experiment",
    "tracking",
)  # in the name of a run, or needless
FREE = {*IRRELEVANT_KEYS, "hydra"} - {
    "objective"
}  # keys on which the identity of a sweep does not depend


def values(override):
    """What an override sets its key to, job by job."""
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise ConfigError(
            f"{override.input_line}: an interval needs hydra/sweeper=optuna; a grid has values"
        )
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


def root(override: str) -> str:
    """The group or the key of the root that an override is about."""
    return re.split("[=.@]", override.lstrip("+~"))[0]


def is_told(override):
    key = override.partition("=")[0]
    return key.partition("@")[2] in TOLD or key in TOLD or key.startswith("tracking.")
