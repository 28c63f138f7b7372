"""Training one net, epoch by epoch, with checkpoints."""

import time
import zipfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brnn.contracts import OnEpoch
from brnn.data.pixels import to_pixels
from brnn.errors import ConfigError, PrunedError
from brnn.locks import locked
from brnn.measures.gradients import gradient_shares
from brnn.measures.text import per_character
from brnn.measures.weights import Weights, snapshot, spectral_metrics, weight_metrics
from brnn.quantization.annealing import step_values
from brnn.runs.choice import best_epoch, has_ended
from brnn.runs.plan import RunPlan
from brnn.terminal import lines, progress
from brnn.tracking.run import Run
from brnn.training import build, checkpoint, loop
from brnn.training.modes import is_faster_in_xla
from brnn.training.program import Program

PROBED = 1000  # rows on which the share of passed gradients is measured

Metrics = dict[str, float]


@dataclass(frozen=True)
class Training:
    """The metrics of all epochs, those of the kept epoch, and the seconds of earlier processes."""

    history: list[Metrics]
    kept: Metrics
    earlier_seconds: float


def train(plan: RunPlan, program: Program, tracked: Run, on_epoch: OnEpoch) -> Training:
    """Train a net, log each epoch and write checkpoints; leave the kept epoch in the program.

    A kept epoch that is not the last is logged once more, one step after the last.

    With `resume` it continues from an earlier checkpoint, or takes the net that another run with
    the same training has trained; a process that trains the same net at this time is waited for.

    Args:
        plan: the run.
        program: its new program.
        tracked: its run in the store.
        on_epoch: called after each epoch; false ends the run.

    Raises:
        PrunedError: `on_epoch` returned false.
    """
    settings = plan.settings
    waiting = f"{plan.name} waits for its net, which another process trains"
    lock = locked(plan.trained, lambda: lines.note(waiting)) if settings.resume else nullcontext()
    with lock:
        history, best, seconds = _train(plan, program, tracked, on_epoch)
        if plan.checkpoint.exists():
            checkpoint.publish(plan.checkpoint, plan.trained, settings.keep_trained)
    if settings.keep == "last":
        return Training(history, history[-1], seconds)
    program.restore(best)
    kept = history[best_epoch(history) - 1]
    if kept is not history[-1]:  # so that the latest values in the store are those of the net
        tracked.metrics(kept, step=len(history) + 1)
    return Training(history, kept, seconds)


def train_as_worker(plan: RunPlan) -> None:
    """Take a worker's share in the epochs of the chief, which alone writes and tracks."""
    program = build.program(plan.options, plan.task, plan.replicas)
    lines.note(f"{plan.name}: this worker trains its share of each batch; the chief reports")
    for _ in build.epochs(program, plan.options, plan.data):
        pass


def _train(plan, program, tracked, on_epoch):
    """Return the metrics of all epochs, the state of the best one, and earlier seconds."""
    began = time.perf_counter()
    history, best, earlier_seconds = _resumed(plan, program, tracked)
    for epoch, metrics in enumerate(history, 1):  # the last may not be logged yet
        tracked.metrics(metrics, step=epoch)
    if program.compiled and not is_faster_in_xla(program.manager.model):
        lines.note(
            f"{plan.name}: XLA's convolutions are many times slower on a processor than graph mode;"
            " compiled=auto takes the faster one"
        )
    before = snapshot(program.manager)
    count = max(plan.settings.epochs, 1)
    with progress.training_progress(count, plan.name, done=len(history)) as bar:
        epochs = build.epochs(program, plan.options, plan.data, len(history), bar.within)
        while not has_ended(history, plan.settings):
            metrics, epoch = next(epochs, None), len(history) + 1
            if metrics is None:  # epochs=0: the net is measured as it starts
                metrics = loop.evaluated(program, plan.data, plan.settings.batch_size)
            now = snapshot(program.manager)
            metrics |= measures(plan, program, metrics, now, before)
            history.append(metrics)
            state = program.state()
            if best_epoch(history) == epoch:
                best = state
            states = {"last": state} | ({"best": best} if plan.settings.keep == "best" else {})
            seconds = earlier_seconds + time.perf_counter() - began
            values = {"history": history, "seconds": seconds, "run": tracked.id}
            checkpoint.save(plan.checkpoint, states, values)
            tracked.metrics(metrics, step=epoch)
            bar.update(metrics, epoch)
            if not on_epoch(epoch, metrics):
                raise PrunedError(f"pruned after epoch {epoch}")
            before = now
    program.replicas.end_epochs()
    return history, best, earlier_seconds


def measures(
    plan: RunPlan,
    program: Program,
    metrics: Metrics,
    weights: list[Weights],
    before: list[Weights],
) -> Metrics:
    """Return the measures of a net after an epoch, besides its losses and accuracies.

    Args:
        plan: the run.
        program: its program.
        metrics: the losses and accuracies of the epoch.
        weights: the weights after it.
        before: those before it.
    """
    result = weight_metrics(weights, before) | spectral_metrics(program.manager)
    if plan.data.tokens is not None and plan.options["loss"]["name"] == "cross_entropy":
        result |= per_character(metrics)
    rows = to_pixels(plan.data.train[0][:PROBED])
    with step_values({key: v for key, v in metrics.items() if key.startswith("annealed/")}):
        return result | gradient_shares(program.manager, rows)


def _resumed(plan, program, tracked):
    """Restore the last state of an earlier process, or of a run with the same training.

    Return the metrics of its epochs, its best state, and the seconds of this run's processes.
    """
    sources = (plan.checkpoint, plan.trained) if plan.settings.resume else (plan.checkpoint,)
    path = next((source for source in sources if source.exists()), None)
    if path is None:
        return [], None, 0.0
    arrays, values = _loaded(path)
    history, trainer = values["history"], values["run"]
    _restore(program, arrays["last"], path)
    if trainer != tracked.id:
        lines.note(
            f"{plan.name} takes the net that run {trainer} trained (resume=false trains it again)"
        )
        tracked.tag({"trained_by": trainer})
        return history, arrays.get("best"), 0.0
    lines.note(f"{plan.name} continues after epoch {len(history)}")
    return history, arrays.get("best"), values["seconds"]


def _loaded(path: Path) -> tuple[dict[str, list[np.ndarray]], dict[str, Any]]:
    try:
        arrays, values = checkpoint.load(path)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise ConfigError(_not_a_checkpoint(path, error)) from error
    if missing := {"history", "seconds", "run"} - values.keys():
        raise ConfigError(_not_a_checkpoint(path, f"without {', '.join(sorted(missing))}"))
    return arrays, values


def _restore(program: Program, state: list[np.ndarray], path: Path) -> None:
    try:
        program.restore(state)
    except ValueError as error:
        raise ConfigError(_not_a_checkpoint(path, error)) from error


def _not_a_checkpoint(path, reason):
    return f"{path} is not a checkpoint of this net ({reason}); use resume=false"
