"""Checks of the keys of one section or option against the signature behind it."""

from typing import Any

from brnn.config import groups, signatures, values
from brnn.errors import ConfigError, did_you_mean


def check_keys(section: str, given: dict[str, Any], valid: dict[str, Any]) -> None:
    """Check that a section has exactly the valid keys, each with a value of its type.

    Args:
        section: dotted name of the section, for messages; empty for the root.
        given: its keys and values.
        valid: each key with its annotation.

    Raises:
        ConfigError: a key is unknown or missing, or has a value of another type or range.
    """
    dotted = f"{section}." if section else ""
    for key in given:
        if key not in valid:
            shown = key if str(key).isprintable() else repr(key)
            raise ConfigError(
                f"{dotted}{shown} is not a key here; valid are:"
                f" {', '.join(valid) or 'none'}{did_you_mean(str(key), valid)}"
            )
    for key, annotation in valid.items():
        if key not in given:
            raise ConfigError(f"{dotted}{key} is missing")
        if not values.fits(given[key], annotation):
            raise ConfigError(
                f"{dotted}{key} must be {values.describe(annotation)}, got {given[key]!r}"
            )


def check_option(
    group: str, option: dict[str, Any], plugins: list[str], shared: dict[str, Any]
) -> None:
    """Check the keys of an option against its function.

    Args:
        group: the group of the option.
        option: its keys, with `name` and perhaps `preset`.
        plugins: packages whose functions may be named with dots.
        shared: further keys of every option of the group, with their annotations.

    Raises:
        ConfigError: the function does not exist, or does not take these keys.
    """
    module, name = groups.locate(group, option.get("name"), plugins)
    parameters = signatures.parameters(module, name)
    check_keys(group, groups.arguments(option), parameters | shared)
