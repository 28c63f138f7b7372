"""Errors of Hydra and of this package as one line."""

from hydra.errors import ConfigCompositionException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from brnn import paths

OPEN = (
    "optimizer.",
    "hydra.sweeper.sampler.",
    "hydra.sweeper.pruner.",
)  # keys that are arguments of a chosen class


def is_override(argument: str) -> bool:
    """Whether a word of the command line is an override: Hydra's parser wants all flags on one side of them."""
    return argument.startswith("~") or ("=" in argument and not argument.startswith("-"))


def told(error: Exception) -> str:
    """An error in one line."""
    if isinstance(error, MissingConfigException) and error.options:
        option = error.missing_cfg_file.rpartition("/")[2]
        return f"{error.missing_cfg_file.rpartition('/')[0]} must be one of {', '.join(error.options)}, got {option}"
    if isinstance(error, OverrideParseException):
        key, _, value = error.override.partition("=")
        options = ", ".join(sorted(path.stem for path in (paths.conf() / key).glob("*.yaml")))
        if options:
            return f"{key} must be one of {options}, got {value}"
        return f"{error.override} cannot be read; put its value in quotes, as in \"{key}='a (b)'\""
    cause = error.__cause__
    if isinstance(error, ConfigCompositionException) and isinstance(cause, OmegaConfBaseException):
        keys = ", ".join(str(key) for key in cause.parent_node or () if key != "hydra")
        others = (
            f"; other arguments of its class need a plus: +{cause.full_key}=…"
            if cause.full_key.startswith(OPEN)
            else ""
        )
        return f"{cause.full_key} is not a key here; valid are: {keys or 'none'}{others}"
    return " ".join(str(error).split()) or type(error).__name__
