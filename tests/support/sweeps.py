"""Finished sweeps in a store, written without training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag

from brnn.tracking import tag_names
from brnn.tracking.store import Store
from support.stores import open_in

COMMON = {"precision": "binarynet", "topology": "simple", "topology.width": "8"}


def log_run(
    store: Store,
    params: Mapping[str, Any],
    metrics: Mapping[str, float | Sequence[float]],
    tags: Mapping[str, Any] = {},
    status: str = "FINISHED",
) -> str:
    """Write a run; a sequence is the values of a metric in the epochs 1, 2, …; return its id."""
    name = "-".join(map(str, params.values())) or "unknown"
    client = store.client
    run = client.create_run(store.experiment_id, run_name=name)
    logged = [
        Metric(key, value, 0, step)
        for key, values in metrics.items()
        for step, value in enumerate(values if isinstance(values, Sequence) else [values], 1)
    ]
    texts = [Param(key, str(value)) for key, value in (COMMON | {**params}).items() if params]
    labels = [RunTag(key, str(value)) for key, value in tags.items()]
    client.log_batch(run.info.run_id, metrics=logged, params=texts, tags=labels)
    client.set_terminated(run.info.run_id, status)
    return run.info.run_id


def begin_sweep(store: Store, command: str) -> str:
    """Write the run of a sweep, and return its id."""
    run = store.client.create_run(store.experiment_id, run_name=command, tags={"sweep": command})
    store.client.set_terminated(run.info.run_id)
    return run.info.run_id


def log_sweep(
    folder: Path,
    command: str,
    jobs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]],
    experiment: str = "brnn",
) -> str:
    """Write a finished sweep of jobs (params, metrics, tags), and return the id of its run."""
    store = open_in(folder, experiment)
    parent = begin_sweep(store, command)
    for number, (params, metrics, tags) in enumerate(jobs):
        job = {tag_names.PARENT: parent, tag_names.JOB: number}
        log_run(store, params, metrics, {**tags, **job})
    return parent
