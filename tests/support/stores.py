"""Tracking stores in a folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brnn.tracking import tag_names
from brnn.tracking.store import Store, open_store


def open_in(folder: Path, experiment: str = "brnn") -> Store:
    """Open the SQLite store of a folder."""
    return open_store(uri=f"sqlite:///{folder}/mlflow.db", experiment=experiment)


def all_runs(store: Store) -> list:
    """Return all runs of an experiment, oldest first."""
    return list(store.client.search_runs([store.experiment_id], order_by=["start_time ASC"]))


def history(store: Store, run_id: str, key: str) -> list[tuple[int, float]]:
    """Return the steps and values of a metric in the order of the store, duplicates included."""
    return [(metric.step, metric.value) for metric in store.client.get_metric_history(run_id, key)]


@dataclass
class SweepRuns:
    """The runs of a folder; `epochs` counts the logged epochs of each child."""

    parents: list[Any]
    children: list[Any]
    epochs: list[int]

    @property
    def statuses(self) -> list[str]:
        """The statuses of all runs, parents first."""
        return [run.info.status for run in (*self.parents, *self.children)]


def sweep_runs(folder: Path, experiment: str = "brnn") -> SweepRuns:
    """Return the runs of the sweeps in a folder, oldest first."""
    store = open_in(folder, experiment)
    runs = all_runs(store)
    children = [run for run in runs if tag_names.PARENT in run.data.tags]
    parents = [run for run in runs if tag_names.PARENT not in run.data.tags]
    epochs = [len(history(store, run.info.run_id, "train/loss")) for run in children]
    return SweepRuns(parents, children, epochs)


def owner_pid(run: Any) -> int:
    """Return the id of the process that writes a run."""
    return int(run.data.tags[tag_names.OWNER].split(":")[1])
