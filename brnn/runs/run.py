"""One run: from a checked configuration to a finished run in the tracking store."""

import json
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from brnn.config import groups, schema
from brnn.config.fingerprint import run_fingerprint, training_fingerprint
from brnn.contracts import OnEpoch
from brnn.data.load import load
from brnn.measures.weights import layer_rows
from brnn.nets.task import task_of
from brnn.robustness.prepare import prepare
from brnn.runs.attack import attack
from brnn.runs.choice import best_epoch, check_rows, choose_replicas, objective_of
from brnn.runs.record import log_artifacts, logged_parameters, run_tags
from brnn.runs.report import show_results
from brnn.runs.resume import SPOOL, earlier_run, skip
from brnn.runs.train import closing_metrics, lock_net, train, train_along
from brnn.terminal import tables
from brnn.tracking.status import status
from brnn.tracking.store import open_store
from brnn.tracking.sweep_job import SweepJob
from brnn.training import build, checkpoint

NAMED = ("precision", "estimator", "topology", "recipe")  # the groups that name a run


def run(
    options: dict[str, Any], job: SweepJob | None, suffix: str, on_epoch: OnEpoch
) -> float | list[float]:
    """Train, attack and track one net.

    A run of the same fingerprint that finished is not repeated; one that did not continues from its
    checkpoint; a net that another run trained in the same way is not trained again.

    Args:
        options: a checked configuration.
        job: the place of the run in its sweep, if it is part of one.
        suffix: the part of the run's name that distinguishes it from runs of the same groups.
        on_epoch: called after each epoch; training ends early where it returns false.

    Returns:
        The metric `objective`, or a list of metrics; NaN in a worker that is not the chief.
    """
    began, settings = time.perf_counter(), schema.root(options)
    data, digest = load(json.dumps(options["dataset"]), tuple(settings.plugins))
    check_rows(data, settings.batch_size)
    fingerprint = run_fingerprint(options, digest)
    replicas = choose_replicas(options, job)
    replicas.agree(fingerprint)
    path = Path(settings.checkpoints) / f"{fingerprint}.npz"
    trained = checkpoint.trained_path(settings.checkpoints, training_fingerprint(options, digest))
    name = "-".join(groups.label(options[g]) for g in NAMED) + f"-s{settings.seed}{suffix}"
    if not replicas.chief:
        return train_along(build.program(options, task_of(data), replicas), data, options, name)
    store = open_store(**options["tracking"])
    earlier = earlier_run(store, fingerprint, path, settings.resume, job.launch if job else "")
    if earlier and status(earlier) == "finished":
        replicas.dismiss()
        return skip(name, store, earlier, job, settings)
    prepare(options, data, store)
    program = build.program(options, task_of(data), replicas)
    tags = run_tags(options, data, fingerprint)
    with store.run(name, tags, job, path.with_suffix(SPOOL), earlier) as tracked:
        tracked.params(logged_parameters(options))
        if job is None:
            tables.layers_table(layer_rows(program.manager))
        with lock_net(trained, name) if settings.resume else nullcontext():
            sources = (path, trained) if settings.resume else (path,)
            history, best, seconds = train(program, data, options, tracked, sources, name, on_epoch)
            if path.exists():
                checkpoint.publish(path, trained, settings.keep_trained)
        kept = history[-1]
        if settings.keep == "best":
            kept = history[best_epoch(history) - 1]
            program.restore(best)
        trained_at = time.perf_counter()
        final = closing_metrics(history, program)
        final |= attack(options, data, program, tracked, name, job)
        attacked_at = time.perf_counter()
        log_artifacts(options, data, program, history, tracked)
        ended = time.perf_counter()
        final |= {"time/attack": attacked_at - trained_at, "time/artifacts": ended - attacked_at}
        final |= {"time/tracking": tracked.seconds, "time/seconds": seconds + ended - began}
        tracked.metrics(final, step=len(history))
        value = objective_of(kept | final, settings.objective)
    if job is None:
        show_results(name, kept | final, store, tracked.id)
    return value
