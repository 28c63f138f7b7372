"""The grid of a sweep."""

import itertools
from collections.abc import Sequence

from brnn.errors import ConfigError
from brnn.sweeps.overrides import values


def grid_jobs(overrides: Sequence, together: Sequence) -> list[list[str]]:
    """The jobs of a sweep, as lists of overrides: every combination of their values, in order, none twice.

    The keys in `together`, a list or a list of lists, take their first values in the same job, then their second ones.
    """
    columns = {override.get_key_element(): values(override) for override in overrides}
    groups = [together] if together and isinstance(together[0], str) else together
    axes = {key: [(value,) for value in column] for key, column in columns.items()}
    for group in groups:
        axes[group[0]] = _zipped({key: columns.get(key, []) for key in group})
        for key in group[1:]:
            del axes[key]
    jobs = (tuple(itertools.chain(*parts)) for parts in itertools.product(*axes.values()))
    return [list(job) for job in dict.fromkeys(jobs)]


def _zipped(columns):
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1 or 0 in lengths:
        told = ", ".join(f"{key} has {len(column)}" for key, column in columns.items())
        raise ConfigError(
            f"hydra.sweeper.zip: keys that go together need as many values each, but {told}"
        )
    return list(zip(*columns.values(), strict=True))
