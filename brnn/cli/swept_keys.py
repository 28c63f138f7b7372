"""Keys that only some options of a group have, in a sweep over these options."""

from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from brnn.config import groups


def forced(words: Sequence[str], multirun: bool) -> list[str]:
    """Return the overrides of a command line, those of an option's keys with `++` in a sweep.

    Hydra composes the sweep itself with the default option of a group, which may not have the keys
    of the swept options, such as `attack.step` of `attack=pgd,bim`. `++` adds such a key there;
    `brnn.sweeps.overrides.unforced` takes the signs away for the jobs. A key that no option of the
    group has stays as it is, for Hydra to refuse at once.

    Args:
        words: the overrides.
        multirun: whether a flag makes it a sweep; a swept value or an experiment may as well.
    """
    parsed = [_parsed(word) for word in words]
    sweep = multirun or any(o and (o.is_sweep_override() or _is_experiment(o)) for o in parsed)
    return [
        f"++{word}" if sweep and override and _is_key_of_an_option(override) else word
        for word, override in zip(words, parsed, strict=True)
    ]


def _parsed(word: str) -> Override | None:
    """Return a parsed override; None where Hydra is to refuse it."""
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def _is_experiment(override: Override) -> bool:
    return override.key_or_group == "experiment"


def _is_key_of_an_option(override: Override) -> bool:
    group, _, key = override.key_or_group.partition(".")
    if override.get_key_element() != override.key_or_group or override.is_sweep_override():
        return False  # with a sign of its own, or set in the jobs alone
    known = group in (*groups.GROUPS, "optimizer")
    return known and bool(groups.options_with(group, key.partition(".")[0]))
