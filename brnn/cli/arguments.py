"""The words of a command line: commands, flags and `key=value`."""

import json
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

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


def key_values(command: str, words: Sequence[str], valid: Collection[str]) -> dict[str, str]:
    """Return the keys and values of the words of a command.

    Args:
        command: its name, for messages.
        words: each as `key=value`.
        valid: the keys of the command.

    Raises:
        ConfigError: a word is not key=value, or a key is unknown.
    """
    if bad := [word for word in words if "=" not in word]:
        raise ConfigError(f"{bad[0]} is not key=value{did_you_mean(bad[0], valid)}")
    given = dict(word.partition("=")[::2] for word in words)
    for key in given:
        if key not in valid:
            raise ConfigError(
                f"{key} is not a key of {command}; valid are: {', '.join(valid)}"
                f"{did_you_mean(key, valid)}"
            )
    return given


def number(text: str) -> Any:
    """Return the number that the value of a key states, else the text, for a check to refuse."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


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
