"""Configurations as Hydra composes them; those of the same options are composed once.

Hydra sets values last, on the configuration of the chosen options, which takes most of the time.
"""

import copy
from functools import cache
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from brnn import paths


def composed(*overrides: str) -> dict[str, Any]:
    """Return the configuration of a command line, unchecked."""
    values = [override for override in overrides if _sets_a_value(override)]
    options = [override for override in overrides if override not in values]
    if any(option.startswith(("+", "~")) for option in options):
        return _plain(_of_options(*overrides))  # what they change may depend on their order
    config = copy.deepcopy(_of_options(*options))
    try:
        for value in OverridesParser.create().parse_overrides(values):
            OmegaConf.update(config, value.key_or_group, value.value(), merge=True)
    except Exception:  # raised as Hydra raises it
        config = _of_options(*overrides)
    return _plain(config)


@cache
def _of_options(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        return compose("config", list(overrides))


def _plain(config: DictConfig) -> dict[str, Any]:
    return OmegaConf.to_container(config, resolve=True)


@cache
def _roots() -> frozenset[str]:
    """Return the keys of the root that are no groups."""
    root = OmegaConf.load(paths.conf() / "config.yaml")
    return frozenset(root) - {"defaults"}


def _sets_a_value(override: str) -> bool:
    key, equals, _ = override.partition("=")
    return bool(equals) and (key in _roots() or ("." in key and key[0].isalpha()))
