"""What a run records beside its metrics: parameters, tags, artifacts."""

import importlib.metadata
import json
import subprocess
from pathlib import Path

import yaml

from brnn import figures
from brnn.config import groups
from brnn.measures.weights import snapshot
from brnn.nets import models
from brnn.nets.task import task_of
from brnn.runs import text
from brnn.tracking import tag_names

GROUPS = (*groups.GROUPS, "optimizer", "recipe")
PACKAGES = ("brnn", "tensorflow", "keras", "numpy", "mlflow", "hydra-core")
COMMANDS = ("resume", "dry_run")  # keys that say what to do, not what the run is


def log_artifacts(options, data, program, history, tracked):
    """Logs the configuration, the versions, the figures, the model and a sample of its text."""
    tracked.text(yaml.safe_dump(options, sort_keys=False), "config.yaml")
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    tracked.text(yaml.safe_dump(versions, sort_keys=False), "versions.yaml")
    tracked.file(figures.png(figures.learning_curves(history)), "figures/learning_curves.png")
    discretized = [one for one in snapshot(program.manager) if one.rule is not None]
    if discretized:
        latent, bounds = (
            {one.path: one.latent for one in discretized},
            {one.path: one.rule.bound for one in discretized},
        )
        tracked.file(
            figures.png(figures.latent_histograms(latent, bounds)), "figures/latent_weights.png"
        )
    requirements = [f"{name}=={versions[name]}" for name in ("keras", "tensorflow", "numpy")]
    weights = program.manager.weights()
    tracked.model(models.plain_model(options, task_of(data), weights), requirements)
    if data.tokens is not None:
        tracked.text(json.dumps(data.tokens), "alphabet.json")
        tracked.text(text.write(options, data.tokens, weights, **options["sample"]), "sample.txt")


def logged_parameters(options):
    """The plain name of each choice, and every other key with dots."""
    names = {group: groups.label(options[group]) for group in GROUPS}
    others = {key: value for key, value in options.items() if key not in COMMANDS}
    return names | {
        key: value for key, value in groups.flat(others).items() if not key.endswith(".name")
    }


def run_tags(options, data, fingerprint):
    """What the UI filters and groups by, and what identifies the run."""
    names = {group: groups.label(options[group]) for group in GROUPS}
    commit = {
        "git_commit": _git("rev-parse", "HEAD"),
        "git_changed": bool(_git("status", "--porcelain")),
    }
    own = {"seed": options["seed"], tag_names.FINGERPRINT: fingerprint, "data_source": data.source}
    return names | own | commit


def _git(*arguments):
    """What git says of the code that runs; empty where it lies in no repository."""
    folder = Path(__file__).resolve().parents[1]
    if not (folder / ".git").exists():
        return ""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:  # no git
        return ""
    return done.stdout.strip()
