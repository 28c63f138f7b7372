"""Annealed keys: numbers of an estimator that change over the steps of the training.

In place of its number such a key has a mapping:

    schedule    an option of the group `schedule` that has a key `final`
    from, to    the values at the first step and at the end
    steps       over which it changes; after them it stays at `to`; null or left out: all steps
"""

from typing import Any, Literal

from brnn.config import groups
from brnn.config.check_keys import check_keys, check_option
from brnn.config.ranges import Count, Positive
from brnn.errors import ConfigError, did_you_mean

END = "final"  # the key of a schedule that states its last factor


def annealed_keys(option: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the annealed keys of an option, with their mappings."""
    return {
        key: value
        for key, value in option.items()
        if isinstance(value, dict) and "schedule" in value
    }


def option_at(option: dict[str, Any], end: Literal["from", "to"]) -> dict[str, Any]:
    """Return an option with the value at one end in place of each mapping."""
    return option | {key: float(keys[end]) for key, keys in annealed_keys(option).items()}


def check_annealed(group: str, option: dict[str, Any], plugins: list[str]) -> None:
    """Check the keys of an option of which some may be annealed.

    Raises:
        ConfigError: a mapping has other keys or values, or an end is not a value of its key.
    """
    for key, given in annealed_keys(option).items():
        section = f"{group}.{key}"
        steps = {"steps": Count | None} if "steps" in given else {}
        check_keys(section, given, {"schedule": str, "from": Positive, "to": Positive} | steps)
        valid, schedule = groups.options_with("schedule", END), given["schedule"]
        if schedule not in valid:
            raise ConfigError(
                f"{section}.schedule must be one of {', '.join(valid)}, got {schedule!r}"
                f"{did_you_mean(schedule, valid)}"
            )
    for end in ("from", "to"):
        check_option(group, option_at(option, end), plugins, {})


def check_steps(group: str, option: dict[str, Any], total: int) -> None:
    """Check that no key is annealed beyond the last step of the training.

    Raises:
        ConfigError: one is.
    """
    for key, given in annealed_keys(option).items():
        if (steps := given.get("steps") or 0) > total:
            raise ConfigError(
                f"{group}.{key}.steps must be at most {total}, the steps of the training, or null"
                f" for all of them, got {steps}"
            )
