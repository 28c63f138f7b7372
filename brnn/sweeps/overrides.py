"""Overrides of the command line."""

import re
import shlex
from collections.abc import Sequence

from hydra.conf import HydraConf
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from brnn.config import groups
from brnn.config.fingerprint import IRRELEVANT_KEYS
from brnn.errors import ConfigError

FREE = {*IRRELEVANT_KEYS, "hydra"} - {"objective"}  # keys that do not identify a sweep


def values(override: Override) -> list[str]:
    """Return an override for each value that a sweep gives a key.

    Raises:
        ConfigError: the value is an interval, from which only Optuna can choose.
    """
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise ConfigError(
            f"{override.input_line}: an interval needs hydra/sweeper=optuna; a grid has values"
        )
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


def effective(overrides: list[Override]) -> list[Override]:
    """Return the overrides without those whose key is given again, where the last counts."""
    return list({override.get_key_element(): override for override in overrides}.values())


def unforced(line: str) -> str:
    """Return an override of an option's key without the plus signs that `forced` has added.

    Each job then refuses a key that its option does not have. A key of an optimizer keeps its plus
    signs, since it may be an argument of any class.
    """
    group = root(line)
    forced_key = line.startswith(f"++{group}.") and group in groups.GROUPS
    return line.removeprefix("++") if forced_key else line


def constant_overrides(overrides: list[Override]) -> list[str]:
    """Return the overrides that are equal in all jobs."""
    return [text for o in overrides if not o.is_sweep_override() for text in values(o)]


def command_line(hydra: DictConfig | HydraConf, words: Sequence[str]) -> str:
    """Return the command line of overrides and flags, with the folders of `--config-dir`.

    Args:
        hydra: the configuration of Hydra in which they were composed.
        words: the overrides and flags.
    """
    sources = hydra.runtime.config_sources
    folders = [f"--config-dir={s.path}" for s in sources if s.provider == "command-line"]
    return f"brnn {shlex.join([*words, *folders])}".rstrip()


def root(override: str) -> str:
    """Return the group, or the key at the root, that an override sets."""
    return re.split("[=.@]", override.lstrip("+~"))[0]
