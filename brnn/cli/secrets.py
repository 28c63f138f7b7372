"""Passwords on the command line."""

import os
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from brnn.paths import masked
from brnn.tracking.passwords import VARIABLE

KEY = "tracking.uri"


def moved(words: Sequence[str]) -> list[str]:
    """Return overrides without the password of `tracking.uri`, which the environment has then.

    Hydra copies the overrides to its output folders, to jobs on other machines and to what `--cfg`
    prints, and a sweep is named after them.
    """
    return [
        _moved(word) if masked(word) != word and word.lstrip("+").startswith(f"{KEY}=") else word
        for word in words
    ]


def _moved(word: str) -> str:
    try:
        value = OverridesParser.create().parse_override(word).value()
    except HydraException:
        return word  # for Hydra to refuse
    if not isinstance(value, str):
        return word  # a sweep over stores
    os.environ[VARIABLE] = value
    return f"{word.partition('=')[0]}=${{oc.env:{VARIABLE}}}"
