"""One run: from a checked configuration to a finished run in the tracking store."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from brnn.config.objective import Outcome
from brnn.config.run_name import run_name
from brnn.contracts import OnEpoch
from brnn.errors import PluginError
from brnn.measures.weights import layer_rows
from brnn.runs.attack import attack
from brnn.runs.choice import closing_metrics, objectives_of
from brnn.runs.export import packed_metrics
from brnn.runs.plan import RunPlan, plan_run
from brnn.runs.record import dataset_of, log_artifacts, logged_parameters, run_tags, source_tags
from brnn.runs.rehearsal import rehearse
from brnn.runs.report import part_of, show_results
from brnn.runs.resume import earlier_run, one_of_equals, skip
from brnn.runs.starts import load_start
from brnn.runs.train import train, train_as_worker
from brnn.terminal import tables
from brnn.tracking.failed_run import failed_run
from brnn.tracking.records import as_decimals
from brnn.tracking.run import ONCE
from brnn.tracking.status import status_of
from brnn.tracking.store import Store, open_store
from brnn.tracking.sweep_job import SweepJob
from brnn.training import build

if TYPE_CHECKING:
    from mlflow.entities import Run as EarlierRun


def run(
    options: dict[str, Any],
    job: SweepJob | None,
    varied: Sequence[str],
    on_epoch: OnEpoch,
    command: str = "",
) -> Outcome:
    """Train, attack and track one net.

    A run of the same fingerprint that finished is not repeated; one that did not continues from its
    checkpoint; a net that another run trained in the same way is not trained again.

    Args:
        options: a checked configuration.
        job: the position of the run in its sweep, if it is part of one.
        varied: the overrides that distinguish the run in its sweep.
        on_epoch: called after each epoch; training ends where it returns false.
        command: the command line that repeats the run, if it was started by one.

    Returns:
        The objectives; NaN in a worker that is not the chief.
    """
    began = time.perf_counter()
    with _failed_by_plugin(options, job, varied, command):
        plan = plan_run(options, job, varied, command)
    plan.replicas.check_fingerprint(plan.fingerprint)
    if not plan.replicas.chief:
        train_as_worker(plan)
        return Outcome(dict.fromkeys(plan.objective, math.nan), is_skipped=False)
    store = open_store(**options["tracking"])
    with one_of_equals(plan, job):
        earlier = earlier_run(plan, store, job)
        if earlier and status_of(earlier) == "finished":
            plan.replicas.end_epochs()
            return skip(plan, store, earlier, job)
        return _tracked_run(plan, store, earlier, job, on_epoch, began)


@contextmanager
def _failed_by_plugin(
    options: dict[str, Any], job: SweepJob | None, varied: Sequence[str], command: str
) -> Iterator[None]:
    """Log a failed run if a plugin fails to load its data: its author needs the traceback."""
    try:
        yield
    except PluginError:
        store = open_store(**options["tracking"])
        with failed_run(store, options, run_name(options, varied), job, varied) as tracked:
            tracked.params(logged_parameters(options))
            tracked.tag(source_tags(command))
            raise


def _tracked_run(
    plan: RunPlan,
    store: Store,
    earlier: "EarlierRun | None",
    job: SweepJob | None,
    on_epoch: OnEpoch,
    began: float,
) -> Outcome:
    """Train, attack and track the net of a plan, whose run has not finished.

    Metrics:
        time/seconds (seconds): of the run in all, those of earlier processes included
        time/artifacts (seconds): of figures, the model and other files
        time/tracking (seconds): of writing to the store
    """
    try:
        start = load_start(plan, store)
        program = build.program(plan.options, plan.task, plan.replicas, start)
        rehearsed = rehearse(plan, program, store, job)
    except PluginError:  # logged as a failed run: the author of the plugin needs the traceback
        with store.run(plan.name, run_tags(plan), job, plan.spool, earlier) as tracked:
            tracked.params(logged_parameters(plan.options))
            raise
    with store.run(plan.name, run_tags(plan), job, plan.spool, earlier) as tracked:
        tracked.params(logged_parameters(plan.options))
        tracked.dataset(dataset_of(plan))
        tracked.tag({"products": str(program.forms)})
        if job is None:
            tables.layers_table(layer_rows(program.manager), rehearsed)
        with part_of(tracked, "training"):
            training = train(plan, program, tracked, on_epoch)
            final = closing_metrics(training.history, program, plan.task.shape[0])
            final |= packed_metrics(plan.options, plan.data, program.manager.weights())
            tracked.metrics(final, step=ONCE)
        trained = time.perf_counter()
        with part_of(tracked, "attack"):
            final |= attack(plan, program, training.history, store, tracked, job)
        attacked = time.perf_counter()
        with part_of(tracked, "artifacts"):
            final |= log_artifacts(plan, program, training.history, tracked)
        artifacts = time.perf_counter() - attacked
        seconds = training.earlier_seconds + trained - began + final["time/attack"] + artifacts
        final |= {"time/artifacts": artifacts, "time/seconds": seconds}
        final |= {"time/tracking": tracked.seconds}
        tracked.metrics(final, step=ONCE)
        metrics = as_decimals(training.kept | final)
        values = objectives_of(dict.fromkeys(rehearsed, math.nan) | metrics, plan.objective)
        plan.remove_state()
    if job is None:
        show_results(plan.name, metrics, store, tracked.id)
    return Outcome(values, is_skipped=False)
