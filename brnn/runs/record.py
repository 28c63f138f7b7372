"""What a run records besides its metrics: parameters, tags, artifacts."""

import importlib.metadata
import json
from typing import Any

import numpy as np
import yaml

from brnn.config import groups
from brnn.config.run_name import other_runs
from brnn.nets import models
from brnn.nets.inputs import with_byte_inputs
from brnn.paths import masked
from brnn.runs import drawings, text
from brnn.runs.export import export
from brnn.runs.plan import RunPlan
from brnn.tracking import tag_names
from brnn.tracking.commit import commit
from brnn.tracking.dataset import described
from brnn.tracking.run import Run
from brnn.training.program import Program
from brnn.training.starts import LATENT, latent_file

GROUPS = (*groups.GROUPS, "optimizer", "recipe")
PACKAGES = ("brnn", "tensorflow", "keras", "numpy", "mlflow", "hydra-core")
COMMANDS = ("resume", "dry_run")  # keys that are commands, not part of the run


def log_artifacts(
    plan: RunPlan, program: Program, history: list[dict[str, float]], tracked: Run
) -> dict[str, float]:
    """Log the configuration, versions, figures, the model, exported files and a sample of text.

    Args:
        plan: the run.
        program: its trained program.
        history: the metrics of each epoch.
        tracked: its run in the store.

    Returns:
        The measures of the exported files.
    """
    tracked.text(masked(yaml.safe_dump(plan.options, sort_keys=False)), "config.yaml")
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    tracked.text(yaml.safe_dump(versions, sort_keys=False), "versions.yaml")
    tracked.file(latent_file(program.manager), LATENT)
    levels = program.manager.weights()
    model = models.plain_model(plan.options, plan.task, levels)
    for path, content in drawings.files(plan, program, history, model).items():
        tracked.file(content, path)
    of_bytes = plan.data.train[0].dtype == np.uint8
    others = {"model_bytes": with_byte_inputs(model)} if of_bytes else {}
    tracked.model(model, **others)
    metrics: dict[str, float] = {}
    for exported in export(plan.options, plan.data, levels, **plan.options["export"]):
        for suffix, content in exported.files.items():
            tracked.file(content, f"export/{exported.format}{suffix}")
        metrics |= exported.metrics
    if plan.data.tokens is not None:
        sample = text.write(plan.options, plan.data.tokens, levels, **plan.options["sample"])
        tracked.text(json.dumps(plan.data.tokens), "alphabet.json")
        tracked.text(sample, "sample.txt")
    return metrics


def logged_parameters(options: dict[str, Any]) -> dict[str, Any]:
    """Return the label of each choice, and every other key joined by dots."""
    labels = {group: groups.label(options[group]) for group in GROUPS}
    others = groups.flat({key: v for key, v in options.items() if key not in COMMANDS})
    hidden = (".name", ".preset", "topology.net")
    return labels | {key: value for key, value in others.items() if not key.endswith(hidden)}


def dataset_of(plan: RunPlan) -> dict[str, str]:
    """Return a description of the data of a run."""
    data, option = plan.data, plan.options["dataset"]
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    return described(groups.label(option), plan.digest, data.source, option, splits)


def run_tags(plan: RunPlan) -> dict[str, Any]:
    """Return the tags that the UI filters and groups by, and those that identify the run."""
    labels = {group: groups.label(plan.options[group]) for group in GROUPS}
    git_commit, git_changed = commit()
    code: dict[str, Any] = {"git_commit": git_commit, "git_changed": git_changed}
    identity = {"seed": plan.settings.seed, tag_names.FINGERPRINT: plan.fingerprint}
    code["brnn_version"] = importlib.metadata.version("brnn")
    source = source_tags(plan.command)
    if plan.without_effect:
        source |= {tag_names.WITHOUT_EFFECT: plan.without_effect}
    for key, run in other_runs(plan.options).items():
        code[key.replace(".", "_")] = run
    return labels | identity | code | source | {"data_source": plan.data.source}


def source_tags(command: str) -> dict[str, str]:
    """Return the tags that the UI shows as the source of a run: the command that repeats it."""
    return {tag_names.SOURCE: command, tag_names.SOURCE_TYPE: "JOB"} if command else {}
