"""Choices of a run: its replicas, which epoch is kept, when training ends, what it returns."""

import difflib
from typing import Any

import numpy as np

from brnn.config import groups
from brnn.errors import ConfigError
from brnn.terminal import lines
from brnn.training.replicas import ALONE, Replicas

LATE = ("attack", "trust/", "time/")  # prefixes of metrics that exist only when a run ends


def check_rows(data, batch_size: int) -> None:
    """Check that the training rows fill a batch.

    Raises:
        ConfigError: they do not.
    """
    if batch_size > len(data.train[0]):
        raise ConfigError(
            f"batch_size must be at most {len(data.train[0])}, the training rows, got {batch_size}"
        )


def choose_replicas(options: dict[str, Any], job) -> Replicas:
    """Return the replicas that share each batch; one where a processor's parts would be unequal.

    Raises:
        ConfigError: several devices cannot share a batch equally, or several workers a sweep.
    """
    option, size = options["distribution"], options["batch_size"]
    if job and option["name"] == "multi_worker":
        raise ConfigError("distribution=multi_worker is for one net, and not for --multirun")
    topology, _ = groups.locate("topology", options["topology"]["name"], options["plugins"])
    distribution = groups.function("distribution", option, options["plugins"])
    replicas = distribution(topology == "brnn.nets.recurrent")
    if size % replicas.number == 0:
        return replicas
    if replicas.strategy is None:
        lines.note(
            f"batch_size={size} is not a multiple of distribution.shards={replicas.number}:"
            " batches stay whole"
        )
        return ALONE
    raise ConfigError(
        f"batch_size must be a multiple of {replicas.number}, the devices that share a batch,"
        f" got {size}"
    )


def objective_of(metrics: dict[str, float], objective: str | list[str]) -> float | list[float]:
    """Return the value of a metric, or of each metric of a list.

    Raises:
        ConfigError: the run has no such metric.
    """
    if isinstance(objective, list):
        return [objective_of(metrics, key) for key in objective]
    if objective not in metrics:
        similar = difflib.get_close_matches(objective, metrics, n=5, cutoff=0.5) or metrics
        raise ConfigError(
            f"objective must be a metric of the run, as {', '.join(similar)}, got {objective!r}"
        )
    return metrics[objective]


def as_list(objective: str | list[str]) -> list[str]:
    """Return the objectives as a list."""
    return [objective] if isinstance(objective, str) else objective


def has_ended(history: list[dict[str, float]], options: dict[str, Any]) -> bool:
    """Return whether all epochs are done, or the last `patience` brought no better `monitor`.

    Raises:
        ConfigError: `monitor` does not name a metric of an epoch.
    """
    patience = options["patience"]
    if len(history) == options["epochs"] or not patience or not history:
        return len(history) == options["epochs"]
    direction, key = options["monitor"].split()
    if key not in history[-1]:
        raise ConfigError(
            f"monitor must name a metric of an epoch, got {key!r}: {', '.join(history[-1])}"
        )
    values = [metrics[key] for metrics in history]
    best = values.index(max(values) if direction == "max" else min(values))
    return len(values) - 1 - best >= patience


def best_epoch(history: list[dict[str, float]]) -> int:
    """Return the first epoch, from 1, of the best validation accuracy, or loss in regression.

    Without validation data it is the last epoch.
    """
    if "validation/loss" not in history[-1]:
        return len(history)
    scores = [m.get("validation/accuracy", -m["validation/loss"]) for m in history]
    return 1 + int(np.argmax(scores))
