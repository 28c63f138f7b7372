"""Which runs are compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from brnn import paths
from brnn.errors import ComparisonError

if TYPE_CHECKING:
    from mlflow.entities import Run

    from brnn.tracking.store import Store


@dataclass(frozen=True)
class SelectedRun:
    """A run as the comparison reads it.

    `params` lack a choice without effect, `started` is in milliseconds, `address` is its page in
    the MLflow UI, and `history(key)` returns the values of a metric by step.
    """

    id: str
    name: str
    status: str
    started: int
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    address: str = ""
    history: Callable[[str], dict[int, float]] = field(default=lambda key: {}, compare=False)


@dataclass(frozen=True)
class Selection:
    """The runs to compare, and the command lines of the sweeps that they come from by id.

    `stopped` are sentences about sweeps whose jobs do not all have a run.
    """

    runs: list[SelectedRun]
    sweeps: dict[str, str]
    stopped: list[str] = field(default_factory=list)


def select(
    uri: str, *, sweep: list[str] | None, filter: str | None, experiment: str | None
) -> Selection:
    """Return the runs of sweeps, or those of a store that a filter matches.

    Args:
        uri: the tracking URI of the store, which is only read.
        sweep: ids of the runs of sweeps; None: the last sweep, unless another key selects.
        filter: a filter in MLflow's syntax.
        experiment: the name of an experiment, to which the others are restricted.

    Raises:
        ComparisonError: no run matches.
        TrackingError: the store or the experiment does not exist, or the store cannot be read.
    """
    from brnn.tracking.reading import open_existing

    if sweep or not (filter or experiment):
        return sweep_runs(parents(uri, sweep, experiment), filter)
    stores = open_existing(uri, experiment)
    runs = [_selected(store, run) for store in stores for run in store.search(filter or "")]
    runs = [run for run in runs if "sweep" not in run.tags]
    return Selection(_checked(runs, f"{filter or experiment} in {paths.masked(uri)}"), {})


def parents(
    uri: str, sweep: list[str] | None, experiment: str | None
) -> list[tuple["Store", "Run"]]:
    """Return the runs of sweeps, each with its experiment.

    Args:
        uri: the tracking URI of the store.
        sweep: their ids; None: the last sweep.
        experiment: the name of an experiment; None: all.

    Raises:
        ComparisonError: the store has no sweep, or a sweep is of another experiment.
        TrackingError: the store or the experiment does not exist, or the store cannot be read.
    """
    from brnn.tracking.reading import open_existing

    stores = open_existing(uri, experiment)
    return [_parent(stores, run_id) for run_id in sweep] if sweep else _last(stores, uri)


def sweep_runs(sweeps: Sequence[tuple["Store", "Run"]], filter: str | None = None) -> Selection:
    """Return the children of sweeps.

    Args:
        sweeps: the run of each sweep with its store.
        filter: a filter in MLflow's syntax that the children must match; None: all.
    """
    runs: dict[str, SelectedRun] = {}
    stopped: list[str] = []
    for store, parent in sweeps:
        matched = {run.info.run_id for run in store.search(filter)} if filter else None
        children = store.children(parent.info.run_id)
        stopped += _stopped(parent, len(children))
        for run in children:
            if matched is None or run.info.run_id in matched:
                runs[run.info.run_id] = _selected(store, run)
    lines = {p.info.run_id: p.data.tags.get("sweep", p.info.run_name) for _, p in sweeps}
    return Selection(_checked(list(runs.values()), f"sweep={','.join(lines)}"), lines, stopped)


def _stopped(parent: "Run", runs: int) -> list[str]:
    """Return a sentence if a sweep has not ended well, and has fewer runs than jobs."""
    from brnn.tracking.status import status_of
    from brnn.tracking.tag_names import JOBS

    jobs, status = int(parent.data.tags.get(JOBS, 0)), status_of(parent)
    if status == "finished" or runs >= jobs:
        return []
    return [f"sweep={parent.info.run_id} {status}: {runs} run{'s' * (runs != 1)} for {jobs} jobs"]


def _parent(stores: Sequence["Store"], run_id: str) -> tuple["Store", "Run"]:
    parent = stores[0].get(run_id)
    for store in stores:
        if store.experiment_id == parent.info.experiment_id:
            return store, parent
    raise ComparisonError(f"sweep={run_id} belongs to another experiment")


def _last(stores: Sequence["Store"], uri: str) -> list[tuple["Store", "Run"]]:
    """Return the sweep that ran last, one that still runs before all others."""
    sweeps = [(store, run) for store in stores for run in store.search("tags.sweep LIKE '%'")]
    if not sweeps:
        raise ComparisonError(
            f"{paths.masked(uri)} has no sweep; run one by --multirun, or select runs by"
            " experiment=… or filter=…"
        )
    running = float("inf")
    return [max(sweeps, key=lambda p: (p[1].info.end_time or running, p[1].info.start_time))]


def _selected(store: "Store", run: "Run") -> SelectedRun:
    from brnn.tracking import tag_names
    from brnn.tracking.reading import run_page, ui_base
    from brnn.tracking.status import status_of

    info, data = run.info, run.data
    ignored = data.tags.get(tag_names.WITHOUT_EFFECT)
    return SelectedRun(
        info.run_id,
        info.run_name,
        status_of(run),
        info.start_time,
        {key: v for key, v in data.params.items() if key.partition(".")[0] != ignored},
        data.metrics,
        data.tags,
        ui_base(store.uri) + run_page(info.experiment_id, info.run_id),
        partial(store.history, info.run_id),
    )


def _checked(runs: list[SelectedRun], where: str) -> list[SelectedRun]:
    if not runs:
        raise ComparisonError(f"no run found: {where}")
    return runs
