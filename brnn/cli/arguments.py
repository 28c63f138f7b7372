"""The words of a command line: commands, flags and `key=value`."""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import NoReturn

from brnn.errors import ConfigError, did_you_mean


def is_override(word: str) -> bool:
    """Return whether a word sets a key, chooses an option (`key=value`) or deletes (`~key`)."""
    return word.startswith("~") or ("=" in word and not word.startswith("-"))


def parse(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    """Parse the words of a command, flags and others in any order.

    Raises:
        ConfigError: a flag does not exist, or its value is bad.
    """
    parser.error = _refuse  # type: ignore[method-assign]
    values, unknown = parser.parse_known_intermixed_args(arguments)
    if unknown:
        suggestion = did_you_mean(unknown[0], flags(parser))
        raise ConfigError(f"{unknown[0]} is not valid here; --help lists what is{suggestion}")
    return values


def flags(parser: ArgumentParser) -> list[str]:
    """Return the long flags of a parser."""
    listed = re.findall(r"(?<![\w-])--[a-z][a-z-]*", parser.format_usage())
    return sorted({*listed, "--help", "--version"})


def flag_words(parsed: Namespace) -> list[str]:
    """Return the flags that `parse` has found, each as one word: `--flag` or `--flag=value`."""
    given = {f"--{key.replace('_', '-')}": value for key, value in vars(parsed).items()}
    return [
        flag if value is True else f"{flag}={value}"
        for flag, value in given.items()
        if value and not isinstance(value, list)
    ]


def _refuse(message: str) -> NoReturn:
    raise ConfigError(f"{message}; --help lists what is valid")
