"""The messages of errors, Hydra's and our own, in one line."""

import re

from hydra.errors import ConfigCompositionException, MissingConfigException, OverrideParseException
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from brnn import paths
from brnn.config import groups
from brnn.errors import did_you_mean

OPEN = (
    "optimizer.",
    "hydra.sweeper.sampler.",
    "hydra.sweeper.pruner.",
)  # keys that are arguments of a chosen class
HYDRA_GROUPS = ("hydra/launcher", "hydra/sweeper")


def message(error: Exception) -> str:
    """Return the message of an error in one line: the key, its value and what is valid."""
    if isinstance(error, MissingConfigException) and error.options:
        group, _, given = str(error.missing_cfg_file).rpartition("/")
        return _unknown_option(group, given, list(error.options))
    if isinstance(error, OverrideParseException):
        return _unreadable_override(error.override)
    cause = error.__cause__
    if isinstance(error, InterpolationResolutionError):
        return _unresolved(error)
    if isinstance(error, ConfigCompositionException) and isinstance(cause, OmegaConfBaseException):
        return _unknown_key(cause)
    if deleted := re.fullmatch(r"Could not delete .*'(.+)' does not exist\.", str(error)):
        keys = {*groups.GROUPS, *groups.option("", "config")}
        return f"{deleted[1]} is not a key here{did_you_mean(deleted[1], keys)}"
    return " ".join(str(error).split()) or type(error).__name__


def _unknown_option(group: str, given: str, options: list[str]) -> str:
    valid = [option for option in options if not option.endswith("_plugin")]
    return f"{group} must be one of {', '.join(valid)}, got {given}{did_you_mean(given, valid)}"


def _unreadable_override(override: str) -> str:
    key, _, value = override.partition("=")
    options = sorted(path.stem for path in (paths.conf() / key).glob("*.yaml"))
    if options:
        return _unknown_option(key, value, options)
    return f"{override} cannot be read; put its value in quotes, as in \"{key}='a (b)'\""


def _unresolved(error: InterpolationResolutionError) -> str:
    """Return the message of an interpolation, which OmegaConf follows by lines of its own."""
    reason = str(error.msg).partition("\n")[0]
    if name := re.search(r"Environment variable '(.+)' not found", reason):
        reason = (
            f"the environment variable {name[1]} is not set; a default: ${{oc.env:{name[1]},…}}"
        )
    return f"{error.full_key}: {reason}"


def _unknown_key(cause: OmegaConfBaseException) -> str:
    full_key = str(cause.full_key)
    keys = [str(key) for key in cause.parent_node or () if key != "hydra"]
    others = HYDRA_GROUPS if "/" in full_key else ()
    suggestion = did_you_mean(full_key.rpartition(".")[2], (*keys, *others))
    group, _, key = full_key.partition(".")
    if group in groups.GROUPS and (options := groups.options_with(group, key)):
        suggestion += f"; options of {group} with it: {', '.join(options)}"
    if full_key.startswith(OPEN):
        suggestion += f"; other arguments of its class need a plus: +{full_key}=…"
    return f"{full_key} is not a key here; valid are: {', '.join(keys) or 'none'}{suggestion}"
