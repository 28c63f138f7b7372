"""The jobs of a grid."""

import itertools
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.types import Override

from brnn.errors import ConfigError
from brnn.sweeps.overrides import values


def grid_jobs(
    overrides: Sequence[Override], zipped: Sequence[str] | Sequence[list[str]]
) -> list[list[str]]:
    """Return the jobs of a sweep: every combination of values, in order, without duplicates.

    Args:
        overrides: the overrides of the sweep.
        zipped: keys whose values advance together, as those of Python's `zip`; a list of keys, or a
            list of such lists.

    Returns:
        The overrides of each job.

    Raises:
        ConfigError: zipped keys differ in their number of values.
    """
    columns = {override.get_key_element(): values(override) for override in overrides}
    groups: Any = [zipped] if zipped and isinstance(zipped[0], str) else zipped
    axes: dict[str, list[tuple[str, ...]]] = {
        key: [(value,) for value in column] for key, column in columns.items()
    }
    for first, *others in groups:
        axes[first] = _zip({key: columns.get(key, []) for key in (first, *others)})
        for key in others:
            del axes[key]
    jobs = (tuple(itertools.chain(*parts)) for parts in itertools.product(*axes.values()))
    return [list(job) for job in dict.fromkeys(jobs)]


def _zip(columns: dict[str, list[str]]) -> list[tuple[str, ...]]:
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1 or 0 in lengths:
        counts = ", ".join(f"{key} has {len(column)}" for key, column in columns.items())
        raise ConfigError(f"hydra.sweeper.zip: keys need equally many values, but {counts}")
    return list(zip(*columns.values(), strict=True))
