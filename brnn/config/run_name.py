"""Names of runs: what varies in their sweep stands first, since the MLflow UI cuts long names."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brnn.config import groups

SHORT = 8  # characters of the id of a run in the name of another one
_SEED = "seed"
_PARTS = (*groups.NAMED, *groups.RUNS, _SEED)  # of a name, in this order


def run_name(options: dict[str, Any], varied: Sequence[str]) -> str:
    """Return the name of a run, such as `ste-s1 learning_rate=0.01 binarynet-mlp-modern`.

    Args:
        options: a composed configuration.
        varied: the overrides that distinguish the run in its sweep; none outside a sweep.
    """
    stated = {_part_key(override) for override in varied}
    others = [text for key, text in _parts(options).items() if key not in stated]
    return " ".join(filter(None, [varied_name(varied), "-".join(others)]))


def varied_name(varied: Sequence[str]) -> str:
    """Return what a run's name states of some overrides: choices and the seed, then other keys.

    A key is its last word, unless that may be taken for another one.
    """
    values = dict(override.lstrip("+").partition("=")[::2] for override in varied)
    choices = {_part_key(o): _part(_part_key(o), o.partition("=")[2]) for o in varied}
    head = "-".join(choices[key] for key in _PARTS if key in choices)
    words = Counter(key.rpartition(".")[2] for key in values)
    others = []
    for key, value in values.items():
        if _part_key(key) not in _PARTS:
            word = key.rpartition(".")[2]
            is_clear = words[word] == 1 and word not in _PARTS
            others.append(f"{word if is_clear else key}={value}")
    return " ".join(filter(None, [head, *others]))


def other_runs(options: dict[str, Any]) -> dict[str, str]:
    """Return the runs on whose nets a training rests, or files of nets, by their keys."""
    given = {"init.from": options["init"]["from"], "teacher": options["teacher"]}
    return {key: run for key, run in given.items() if run is not None}


def _parts(options: dict[str, Any]) -> dict[str, str]:
    labels = {group: groups.label(options[group]) for group in groups.NAMED}
    values = labels | other_runs(options) | {_SEED: options["seed"]}
    return {key: _part(key, value) for key, value in values.items()}


def _part(key: str, value: Any) -> str:
    if key == _SEED:
        return f"s{value}"
    return f"{key}={Path(value).stem[:SHORT]}" if key in groups.RUNS else value.rpartition(".")[2]


def _part_key(override: str) -> str:
    """Return the key of an override; that of a function by its name is the key of its group."""
    return override.lstrip("+").partition("=")[0].removesuffix(".name")
