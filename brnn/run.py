"""One run: from a checked configuration to a finished run in the tracking store."""

import hashlib
import importlib.metadata
import json
import subprocess
import time
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import yaml

from brnn import checkpoint, config, figures, measures, nets, robustness, tasks, terminal, training, trust, writing
from brnn.ranges import Count, Natural

NAMED = ("precision", "estimator", "topology")  # the groups that name a run
GROUPS = (*NAMED, "training", "attack", "dataset", "optimizer", "schedule", "loss", "initializer", "bias_initializer")
PLACES = ("tracking", "checkpoints")  # what the numbers of a run do not depend on
PACKAGES = ("brnn", "tensorflow", "keras", "numpy", "mlflow", "hydra-core")
PROBED = 1000  # rows on which the share of passed gradients is measured


def run(
    options: dict,
    store,
    parent: str | None,
    suffix: str,
    *,
    epochs: Count,
    batch_size: Count,
    seed: Natural,
    keep: Literal["last", "best"],
    objective: str,
    compiled: bool,
    checkpoints: str,
    plugins: list[str],
) -> float:
    """Trains, attacks and tracks one net, and returns its `objective`.

    `options` is the whole configuration, `store` a future of the open tracking store, `parent` the run of the
    sweep if there is one. `suffix` tells the run's name from those with the same groups and seed.
    """
    began = time.perf_counter()
    data = _data(json.dumps(options["dataset"]), tuple(plugins))
    if batch_size > len(data.train[0]):
        raise config.ConfigError(
            f"batch_size must be at most {len(data.train[0])}, the training rows, got {batch_size}"
        )
    robustness.prepare(options, data, store)
    program = nets.program(options, tasks.of(data))
    name = "-".join(_plain(options[group]) for group in NAMED) + f"-s{seed}{suffix}"
    tags = _tags(options, data)
    path = Path(checkpoints) / f"{tags['fingerprint']}.npz"
    with store.result().run(name, tags, parent) as tracked:
        tracked.params(_parameters(options))
        if parent is None:
            terminal.layers_table(measures.layers(program.manager))
        history, best = _train(program, data, options, tracked, path, name)
        kept = history[-1]
        if keep == "best":
            kept = history[_best_epoch(history) - 1]
            program.restore(best)
        final = _closing(history, program) | _attack(options, data, program, tracked)
        _artifacts(options, data, program, history, tracked)
        final["time/seconds"] = time.perf_counter() - began
        tracked.metrics(final, step=epochs)
        metrics = kept | final
        if objective not in metrics:
            raise config.ConfigError(f"objective must be a metric of the run, got {objective!r}: {', '.join(metrics)}")
    path.unlink(missing_ok=True)
    if parent is None:
        hint = f"mlflow ui --backend-store-uri {store.result().uri}"
        terminal.results_table(name, metrics, seconds=final["time/seconds"], hint=hint)
    return metrics[objective]


@lru_cache(maxsize=2)
def _data(option: str, plugins: tuple[str, ...]):
    return config.function("dataset", json.loads(option), list(plugins))()


def _train(program, data, options, tracked, path, name):
    """Trains all epochs, and after each logs it and writes a checkpoint; returns their metrics and the best state."""
    schedule = config.function("schedule", options["schedule"], options["plugins"])
    rate = options["optimizer"]["learning_rate"]
    epochs = training.fit(
        program,
        data,
        epochs=options["epochs"],
        batch_size=options["batch_size"],
        rates=lambda steps, total: rate * schedule(steps, total),
        seed=options["seed"],
    )
    history, best = [], None
    before = measures.snapshot(program.manager)
    with terminal.progress(options["epochs"], name) as bar:
        for epoch, metrics in enumerate(epochs, 1):
            now = measures.snapshot(program.manager)
            metrics |= measures.weight_metrics(now, before)
            radii = measures.spectral_radii(program.manager)
            metrics |= {f"spectral_radius/{path}": radius for path, radius in radii.items()}
            if data.tokens is not None and options["loss"]["name"] == "cross_entropy":
                metrics |= measures.per_character(metrics)
            metrics |= measures.gradient_shares(program.manager, data.train[0][:PROBED])
            history.append(metrics)
            state = program.state()
            if _best_epoch(history) == epoch:
                best = state
            checkpoint.save(path, {"last": state, "best": best}, {"epoch": epoch, "history": history})
            tracked.metrics(metrics, step=epoch)
            bar.update(metrics, epoch)
            before = now
    return history, best


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


def _attack(options, data, program, tracked):
    """Attacks the discretized net, and tells whether its robust accuracy can be trusted."""
    option = options["attack"]
    if option["name"] == "none":
        return {}
    weights = program.manager.weights()
    attacked = robustness.Nets(options, data, weights, tracked.store.net)
    report = robustness.evaluate(
        attacked, option, **{k: option[k] for k in config.parameters(*config.SHARED["attack"])}
    )
    if report.reasons is not None:
        verdict = trust.verdict(report.reasons)
        tracked.tag({"trusted": verdict.removeprefix("trusted: ")})
        terminal.verdict(verdict, not report.reasons)
    for path, content in robustness.files(report, option["name"]).items():
        tracked.file(content, path)
    for key, points in report.curves.items():
        for number, (value, accuracy) in enumerate(points):
            tracked.metrics({f"curve/{key}": value, f"curve/robust_accuracy_by_{key}": accuracy}, step=number)
    return report.metrics


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
    return names | {key: value for key, value in config.flat(options).items() if not key.endswith(".name")}


def _tags(options, data):
    """What the UI filters and groups by, and what identifies the run."""
    numbers = {key: value for key, value in options.items() if key not in PLACES}
    fingerprint = hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:16]
    names = {group: _plain(options[group]) for group in GROUPS}
    commit = {"git_commit": _git("rev-parse", "HEAD"), "git_changed": bool(_git("status", "--porcelain"))}
    return names | {"seed": options["seed"], "fingerprint": fingerprint, "data_source": data.source} | commit


def _git(*arguments):
    """What git says of the code that runs; empty where it lies in no repository."""
    folder = Path(__file__).resolve().parents[1]
    if not (folder / ".git").exists():
        return ""
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False).stdout.strip()
