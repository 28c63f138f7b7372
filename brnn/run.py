"""One run: from a checked configuration to a finished run in the tracking store."""

import difflib
import importlib.metadata
import json
import math
import subprocess
import time
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import numpy as np
import yaml

from brnn import (
    checkpoint,
    config,
    distribution,
    figures,
    identity,
    locks,
    measures,
    nets,
    robustness,
    tasks,
    terminal,
    tracking,
    trust,
    writing,
)
from brnn.ranges import Count, Goal, Natural

NAMED = ("precision", "estimator", "topology")  # the groups that name a run
GROUPS = (*config.MODULES, "optimizer")
PACKAGES = ("brnn", "tensorflow", "keras", "numpy", "mlflow", "hydra-core")
COMMANDS = ("resume", "dry_run")  # keys that say what to do, not what the run is
SPOOL = ".jsonl"  # beside a checkpoint: what the tracking server has not taken yet
LATE = ("attack", "trust/", "time/")  # beginnings of metrics that are known only when a run ends
PROBED = 1000  # rows on which the share of passed gradients is measured


def run(
    options: dict,
    job: identity.SweepJob | None,
    suffix: str,
    report: Callable[[int, dict], bool],
    *,
    epochs: Count,
    batch_size: Count,
    seed: Natural,
    patience: Count | None,
    monitor: Goal,
    keep: Literal["last", "best"],
    objective: str | list[str],
    compiled: bool,
    resume: bool | Literal["force"],
    dry_run: bool,
    checkpoints: str,
    trained: Count,
    plugins: list[str],
) -> float | list[float]:
    """Trains, attacks and tracks one net, and returns its `objective`, or a list of them.

    `options` is the whole configuration, `job` the place in a sweep if there is one. `suffix` is
    the part of the run's name that differs from those with the same groups and seed. After each
    epoch `report(epoch, metrics)` returns whether to go on. With `resume`, a run of the same
    fingerprint that finished is not repeated, one that did not goes on from its checkpoint, and a
    net that another run trained in the same way is taken from where the last `trained` of them are
    kept. A worker that is not the chief only trains along, and returns no number.
    """
    began = time.perf_counter()
    data, digest = identity.data(json.dumps(options["dataset"]), tuple(plugins))
    _check_rows(data, batch_size)
    fingerprint = identity.fingerprint(options, digest)
    replicas = _replicas(options, job)
    replicas.agree(fingerprint)
    path = Path(checkpoints) / f"{fingerprint}.npz"
    place = checkpoint.place(checkpoints, identity.of_training(options, digest))
    name = "-".join(_plain(options[group]) for group in NAMED) + f"-s{seed}{suffix}"
    if not replicas.chief:
        return _train_along(nets.program(options, tasks.of(data), replicas), data, options, name)
    store = tracking.open_store(**options["tracking"])
    earlier = _earlier(store, fingerprint, path, resume, job.launch if job else "")
    if earlier and tracking.standing(earlier) == "finished":
        replicas.dismiss()
        return _skipped(name, store, earlier, job, keep, objective)
    robustness.prepare(options, data, store)
    program = nets.program(options, tasks.of(data), replicas)
    tags = _tags(options, data, fingerprint)
    with store.run(name, tags, job, path.with_suffix(SPOOL), earlier) as tracked:
        tracked.params(_parameters(options))
        if job is None:
            terminal.layers_table(measures.layers(program.manager))
        with _alone(place, name) if resume else nullcontext():
            history, best, seconds = _train(
                program, data, options, tracked, (path, place) if resume else (path,), name, report
            )
            if path.exists():
                checkpoint.settle(path, place, trained)
        kept = history[-1]
        if keep == "best":
            kept = history[_best_epoch(history) - 1]
            program.restore(best)
        attacking = time.perf_counter()
        final = _closing(history, program) | _attack(options, data, program, tracked, name, job)
        drawing = time.perf_counter()
        _artifacts(options, data, program, history, tracked)
        ended = time.perf_counter()
        final |= {"time/attack": drawing - attacking, "time/artifacts": ended - drawing}
        final |= {"time/tracking": tracked.seconds, "time/seconds": seconds + ended - began}
        tracked.metrics(final, step=len(history))
        metrics = kept | final
        value = _objective(metrics, objective)
    if job is None:
        _show(name, metrics, store)
    return value


def _alone(place, name):
    waits = f"{name} waits for its net, which another process trains"
    return locks.locked(place, lambda: terminal.note(waits))


def _show(name, metrics, store):
    hint = f"mlflow ui --backend-store-uri {store.uri}"
    terminal.results_table(name, metrics, seconds=metrics["time/seconds"], hint=hint)


def _replicas(options, job):
    """The replicas that share each batch; one where parts on a processor would not be equal."""
    if job and options["distribution"]["name"] == "multi_worker":
        raise config.ConfigError("distribution=multi_worker is for one net, and not for --multirun")
    replicas = config.function("distribution", options["distribution"], options["plugins"])()
    if (size := options["batch_size"]) % replicas.number == 0:
        return replicas
    if replicas.strategy is None:
        terminal.note(f"batch_size={size} is no multiple of distribution.shards={replicas.number}: batches stay whole")
        return distribution.ALONE
    raise config.ConfigError(
        f"batch_size must be a multiple of {replicas.number}, the devices that share a batch, got {size}"
    )


def _check_rows(data, batch_size):
    if batch_size > len(data.train[0]):
        raise config.ConfigError(
            f"batch_size must be at most {len(data.train[0])}, the training rows, got {batch_size}"
        )


def _earlier(store, fingerprint, path, resume, launch):
    """The run to go on with, if any; without `resume` only one that this very `launch` has lost.

    What another would go on from is removed.
    """
    spool = path.with_suffix(SPOOL)
    if spool.exists():
        tracking.deliver(spool)
    earlier = store.earlier(fingerprint)
    standing = tracking.standing(earlier, launch) if earlier else None
    if not resume and not (standing == "interrupted" and tracking.is_of_launch(earlier, launch)):
        path.unlink(missing_ok=True)
        return None
    if standing == "running" and resume != "force":
        raise tracking.TrackingError(
            f"this run goes on already, as process {earlier.data.tags.get(tracking.OWNER)} in run"
            f" {earlier.info.run_id}; wait for it, or use resume=force if it is dead"
        )
    return earlier


def _skipped(name, store, earlier, job, keep, objective):
    """The objective of a run that finished before."""
    terminal.note(f"{name} is skipped: it finished as run {earlier.info.run_id} (resume=false repeats it)")
    metrics = _kept(store, earlier, keep, objective)
    if "trusted" in earlier.data.tags:
        _tell_trust(earlier.data.tags["trusted"], name if job else "")
    if job:
        store.reuse(earlier.info.run_id, job)
    else:
        _show(name, metrics, store)
    return _objective(metrics, objective)


def _kept(store, earlier, keep, objective):
    """The metrics of a finished run, the objective's as they were for the net that was kept."""
    metrics = dict(earlier.data.metrics)
    for key in _listed(objective):
        if keep == "best" and key in metrics:
            metrics[key] = store.history(earlier.info.run_id, key).get(int(metrics["best/epoch"]), metrics[key])
    return metrics


def _objective(metrics, objective):
    """The value of a metric, or a list of values."""
    if isinstance(objective, list):
        return [_objective(metrics, one) for one in objective]
    if objective not in metrics:
        near = difflib.get_close_matches(objective, metrics, n=5, cutoff=0.5) or metrics
        raise config.ConfigError(f"objective must be a metric of the run, as {', '.join(near)}, got {objective!r}")
    return metrics[objective]


def _listed(objective):
    return [objective] if isinstance(objective, str) else objective


def _train(program, data, options, tracked, paths, name, report):
    """Trains, and after each epoch logs it and writes a checkpoint, from which an earlier run goes on.

    `paths` are of this checkpoint and of where that of another run that trained the same net would lie.
    Returns the metrics of all epochs, the best state, and the seconds that went into earlier runs.
    """
    began = time.perf_counter()
    path = next((one for one in paths if one.exists()), paths[0])
    history, best, before_seconds, trainer = _resumed(program, path)
    if _by_another(trainer, tracked, name, len(history)):
        before_seconds = 0.0
    for epoch, metrics in enumerate(history, 1):  # of which the last may not be logged yet
        tracked.metrics(metrics, step=epoch)
    before, first = measures.snapshot(program.manager), len(history) + 1
    with terminal.progress(options["epochs"], name, done=len(history)) as bar:
        epochs = nets.epochs(program, options, data, start=len(history), tell=bar.within)
        while not _ended(history, options):
            metrics, epoch = next(epochs), len(history) + 1
            now = measures.snapshot(program.manager)
            metrics |= measures.weight_metrics(now, before)
            radii = measures.spectral_radii(program.manager)
            metrics |= {f"spectral_radius/{path}": radius for path, radius in radii.items()}
            if data.tokens is not None and options["loss"]["name"] == "cross_entropy":
                metrics |= measures.per_character(metrics)
            metrics |= measures.gradient_shares(program.manager, tasks.pixels(data.train[0][:PROBED]))
            history.append(metrics)
            state = program.state()
            if _best_epoch(history) == epoch:
                best = state
            seconds = before_seconds + time.perf_counter() - began
            states = {"last": state, "best": best} if options["keep"] == "best" else {"last": state}
            checkpoint.save(paths[0], states, {"history": history, "seconds": seconds, "run": tracked.id})
            tracked.metrics(metrics, step=epoch)
            if epoch == first:
                late = (*LATE, f"{options['attack']['name']}/")
                early = [key for key in _listed(options["objective"]) if not key.startswith(late)]
                _objective(metrics | _closing(history, program), early)
            bar.update(metrics, epoch)
            if not report(epoch, metrics):
                raise tracking.GivenUpError(f"given up after epoch {epoch}")
            before = now
    program.replicas.dismiss()
    return history, best, before_seconds


def _by_another(trainer, tracked, name, epochs):
    """Whether another run trained the net; says so, or after how many epochs of its own this one goes on."""
    another = trainer not in (None, tracked.id)
    if another:
        terminal.note(f"{name} takes the net that run {trainer} trained (resume=false trains it again)")
        tracked.tag({"trained_by": trainer})
    elif epochs:
        terminal.note(f"{name} goes on after epoch {epochs}")
    return another


def _train_along(program, data, options, name):
    """Takes the share of a worker in the epochs of the chief, which alone writes checkpoints and tracks."""
    terminal.note(f"{name}: this worker takes its share of each batch; the chief tells how the run goes")
    for _ in nets.epochs(program, options, data):
        pass
    return math.nan


def _resumed(program, path):
    """The metrics, best state, seconds and run of the epochs that a checkpoint has, and restores its last state."""
    try:
        arrays, values = checkpoint.load(path)
        program.restore(arrays["last"])
        return values["history"], arrays.get("best"), values["seconds"], values["run"]
    except FileNotFoundError:
        return [], None, 0.0, None
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise config.ConfigError(f"{path} is no checkpoint of this net ({error}); use resume=false") from error


def _ended(history, options):
    """Whether all epochs are done, or none of the last `patience` was the best by `monitor`."""
    patience = options["patience"]
    if len(history) == options["epochs"] or not patience or not history:
        return len(history) == options["epochs"]
    direction, key = options["monitor"].split()
    if key not in history[-1]:
        raise config.ConfigError(f"monitor must name a metric of an epoch, got {key!r}: {', '.join(history[-1])}")
    values = [metrics[key] for metrics in history]
    return len(values) - 1 - values.index(max(values) if direction == "max" else min(values)) >= patience


def _best_epoch(history):
    """The first epoch of the best validation data, by accuracy, or loss in regression; without such data the last."""
    if "validation/loss" not in history[-1]:
        return len(history)
    return 1 + int(np.argmax([metrics.get("validation/accuracy", -metrics["validation/loss"]) for metrics in history]))


def _closing(history, program):
    """What is logged once: the best epoch, and the size of the net."""
    epoch = _best_epoch(history)
    best = {f"best/{key.replace('/', '_')}": v for key, v in history[epoch - 1].items() if key.endswith("/accuracy")}
    weights = measures.snapshot(program.manager)
    share = measures.binary_share(program.manager, weights)
    cost = measures.cost(program.manager, weights)
    return {"best/epoch": epoch, **best, **measures.size(weights), "size/binary_share": share, **cost}


def _attack(options, data, program, tracked, name, job):
    """Attacks the discretized net, and tells whether its robust accuracy can be trusted."""
    option = options["attack"]
    if option["name"] == "none":
        return {}
    weights = program.manager.weights()
    own = {key: option[key] for key in config.parameters(*config.SHARED["attack"])}
    with terminal.attack_progress(name) as tell:
        attacked = robustness.Nets(options, data, weights, tracked.store.net, tell)
        report = robustness.evaluate(attacked, option, **own)
    if report.reasons is not None:
        verdict = trust.verdict(report.reasons)
        tracked.tag({"trusted": verdict})
        _tell_trust(verdict, name if job else "")
    for path, content in robustness.files(report, option["name"]).items():
        tracked.file(content, path)
    for key, points in report.curves.items():
        if points:
            told = ", ".join(f"{accuracy:.4f} at {value:g}" for value, accuracy in points)
            terminal.note(f"robust accuracy by {key}: {told}")
        for number, (value, accuracy) in enumerate(points):
            tracked.metrics({f"curve/{key}": value, f"curve/robust_accuracy_by_{key}": accuracy}, step=number)
    return report.metrics


def _tell_trust(verdict, job):
    terminal.verdict(f"{job}  trusted: {verdict}".lstrip(), verdict == "yes")


def _artifacts(options, data, program, history, tracked):
    """Logs the configuration, the versions, the figures, the model and a sample of its text."""
    tracked.text(yaml.safe_dump(options, sort_keys=False), "config.yaml")
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    tracked.text(yaml.safe_dump(versions, sort_keys=False), "versions.yaml")
    tracked.file(figures.png(figures.learning_curves(history)), "figures/learning_curves.png")
    discretized = [one for one in measures.snapshot(program.manager) if one.rule is not None]
    if discretized:
        latent, bounds = (
            {one.path: one.latent for one in discretized},
            {one.path: one.rule.bound for one in discretized},
        )
        tracked.file(figures.png(figures.latent_histograms(latent, bounds)), "figures/latent_weights.png")
    requirements = [f"{name}=={versions[name]}" for name in ("keras", "tensorflow", "numpy")]
    weights = program.manager.weights()
    tracked.model(nets.plain(options, tasks.of(data), weights), requirements)
    if data.tokens is not None:
        tracked.text(json.dumps(data.tokens), "alphabet.json")
        tracked.text(writing.written(options, data.tokens, weights, **options["sample"]), "sample.txt")


def _plain(option):
    return option["name"].rpartition(".")[2]


def _parameters(options):
    """The plain name of each choice, and every other key with dots."""
    names = {group: _plain(options[group]) for group in GROUPS}
    others = {key: value for key, value in options.items() if key not in COMMANDS}
    return names | {key: value for key, value in config.flat(others).items() if not key.endswith(".name")}


def _tags(options, data, fingerprint):
    """What the UI filters and groups by, and what identifies the run."""
    names = {group: _plain(options[group]) for group in GROUPS}
    commit = {"git_commit": _git("rev-parse", "HEAD"), "git_changed": bool(_git("status", "--porcelain"))}
    own = {"seed": options["seed"], tracking.FINGERPRINT: fingerprint, "data_source": data.source}
    return names | own | commit


def _git(*arguments):
    """What git says of the code that runs; empty where it lies in no repository."""
    folder = Path(__file__).resolve().parents[1]
    if not (folder / ".git").exists():
        return ""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no git
        return ""
    return done.stdout.strip()
