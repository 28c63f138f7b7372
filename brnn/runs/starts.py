"""Nets of other runs and of files: where a training starts, its teacher, surrogates of attacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from brnn.config import model_file
from brnn.config.groups import option
from brnn.errors import ConfigError, TrackingError
from brnn.exchange.files import configured, weights_of
from brnn.nets.task import Task
from brnn.runs.plan import RunPlan
from brnn.tracking.store import Store
from brnn.training.starts import LATENT, Start, Teacher, Weight, read_weights


def load_start(plan: RunPlan, store: Store) -> Start:
    """Return the weights of the run or file `init.from` and the net of the run `teacher`.

    Raises:
        DataError: the file cannot be read.
        ConfigError: there is no such run with a net, or the teacher has other inputs or outputs.
    """
    return Start(
        _weights(plan, store),
        _teacher(plan.settings.teacher, store, plan.task),
    )


def load_surrogate(
    plan: RunPlan, store: Store, source: str
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Return configuration and weights of the run or file `attack.source`.

    Raises:
        TrackingError: there is no such run with a net.
        DataError: the file cannot be read.
        ConfigError: a package is missing.
    """
    if not model_file.is_net(source):
        return store.net(source)
    real = {"precision": {"name": "full"}, "topology": option("topology", "keras")}
    return configured(Path(source), plan.options | real, plan.data)


def _weights(plan: RunPlan, store: Store) -> list[Weight] | None:
    run = plan.options["init"]["from"]
    if run is None:
        return None
    if model_file.is_net(run):
        return [
            Weight(value, value, bound)
            for value, bound in weights_of(
                Path(run), plan.options["init"], plan.data, plan.options["epochs"] > 0
            )
        ]
    with _named("init.from", run):
        return read_weights(store.model(run).get_weights(), store.file(run, LATENT))


def _teacher(run: str | None, store: Store, task: Task) -> Teacher | None:
    if run is None:
        return None
    with _named("teacher", run):
        model = store.model(run)
    inputs, outputs = (tensors[0].shape[1:] for tensors in (model.inputs, model.outputs))
    expected = (*((None,) if task.per_step else ()), task.classes)
    if not (_fits(inputs, task.shape) and _fits(expected, outputs)):
        raise ConfigError(
            f"teacher={run} maps inputs of {inputs} to outputs of {outputs}, and the data have"
            f" {task.shape} and {task.classes} classes; choose the run of a net of such data"
        )
    return Teacher(run, model)


def _fits(pattern: tuple[int | None, ...], shape: tuple[int | None, ...]) -> bool:
    """Return whether a shape has the sizes of a pattern, in which None stands for any size."""
    pairs = zip(pattern, shape, strict=False)
    return len(pattern) == len(shape) and all(p in (None, size) for p, size in pairs)


@contextmanager
def _named(key: str, run: str) -> Iterator[None]:
    """Turn the error of a run without a net into one that names the key."""
    try:
        yield
    except TrackingError as error:
        raise ConfigError(
            f"{key} must be null or the id of a run with a net, got {run}: {error}"
        ) from error
