"""Which epoch is kept, when training ends, and what a run returns."""

import difflib

import numpy as np

from brnn.config.schema import Root
from brnn.errors import ConfigError
from brnn.measures.cost import product_metrics
from brnn.measures.weights import packed_size, snapshot
from brnn.training.program import Program


def objectives_of(metrics: dict[str, float], keys: list[str]) -> dict[str, float]:
    """Return the metrics that a run returns.

    Raises:
        ConfigError: the run has no such metric.
    """
    return {key: _value(metrics, key) for key in keys}


def _value(metrics: dict[str, float], objective: str) -> float:
    if objective not in metrics:
        similar = difflib.get_close_matches(objective, metrics, n=5, cutoff=0.5) or metrics
        raise ConfigError(
            f"objective must be a metric of the run, as {', '.join(similar)}, got {objective!r}"
        )
    return metrics[objective]


def check_monitor(metrics: dict[str, float], monitor: str) -> None:
    """Check that a monitor is a metric of an epoch.

    Raises:
        ConfigError: it is not.
    """
    _, key = monitor.split()
    if key not in metrics:
        raise ConfigError(
            f"monitor must name a metric of an epoch, got {key!r}: {', '.join(metrics)}"
        )


def has_ended(history: list[dict[str, float]], settings: Root) -> bool:
    """Return whether all epochs are done or `monitor` has not improved for `patience` epochs.

    Without epochs the net is measured once as it starts.
    """
    done = len(history) == max(settings.epochs, 1)
    if done or not settings.patience or not history:
        return done
    direction, key = settings.monitor.split()
    values = [metrics[key] for metrics in history]
    best = values.index(max(values) if direction == "max" else min(values))
    return len(values) - 1 - best >= settings.patience


def best_epoch(history: list[dict[str, float]]) -> int:
    """Return the first epoch, from 1, of the best validation accuracy, or loss in regression.

    Without validation data it is the last epoch.
    """
    if "validation/loss" not in history[-1]:
        return len(history)
    scores = [m.get("validation/accuracy", -m["validation/loss"]) for m in history]
    return 1 + int(np.argmax(scores))


def closing_metrics(
    history: list[dict[str, float]], program: Program, steps: int = 1
) -> dict[str, float]:
    """Return the metrics that are logged once: the best epoch, and the size and cost of the net.

    Args:
        history: the metrics of each epoch.
        program: the trained net.
        steps: length of a sequence, where the data are sequences.

    Metrics:
        best/epoch (count): the first epoch, from 1, of the best validation accuracy (in regression:
            loss); without validation data the last epoch
        best/{split}_accuracy (share): the accuracy of a split after that epoch
    """
    epoch = best_epoch(history)
    accuracies = {k: v for k, v in history[epoch - 1].items() if k.endswith("/accuracy")}
    best = {f"best/{key.replace('/', '_')}": value for key, value in accuracies.items()}
    weights = snapshot(program.manager)
    products = product_metrics(program.manager, weights, steps)
    return {"best/epoch": epoch, **best, **packed_size(weights), **products}
