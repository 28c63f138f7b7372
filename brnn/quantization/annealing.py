"""What changes from step to step of the training: arguments of estimators, discretized shares.

The training loop computes the values of each step in advance, as it does the learning rates. They
are tensors of the compiled step, in which `step_values` offers them to whatever is called inside.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from keras import ops

from brnn.config.annealing import annealed_keys, option_at
from brnn.config.groups import function
from brnn.contracts import Array, Estimator, Noise

_values: ContextVar[Mapping[str, Any]] = ContextVar("values", default=MappingProxyType({}))


@contextmanager
def step_values(values: Mapping[str, Any]) -> Iterator[None]:
    """Offer the values of a step, by name, and its source of `noise` to what is called inside."""
    token = _values.set(values)
    try:
        yield
    finally:
        _values.reset(token)


def step_value(name: str, default: Any) -> Any:
    """Return a value of the step; outside a step, or where it has none, the default."""
    return _values.get().get(name, default)


def partly(levels: Array, real: Array, share: Array, noise: Noise) -> Array:
    """Return levels in a random share of the entries and real values in the others."""
    return ops.where(noise(ops.shape(real)) < share, levels, real)


def annealed(estimator: Estimator, **last: float) -> Estimator:
    """Return an estimator with arguments that change from step to step.

    Args:
        estimator: a function that takes the arguments by name.
        **last: the arguments, with their values after the training. In a step of the training an
            argument has the value `annealed/{argument}` of that step.
    """

    def of_step(x: Array, upstream: Array, fan_in: int) -> Array:
        keys = {key: step_value(f"annealed/{key}", value) for key, value in last.items()}
        return estimator(x, upstream, fan_in, **keys)

    return of_step


def estimator_of(option: dict[str, Any], plugins: list[str]) -> Estimator:
    """Return the estimator of an option, some keys of which may be annealed."""
    last = option_at(option, "to")
    estimator = function("estimator", last, plugins)
    keys = annealed_keys(option)
    return annealed(estimator, **{key: last[key] for key in keys}) if keys else estimator
