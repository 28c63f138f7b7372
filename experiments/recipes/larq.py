"""Accuracy of `traffic30` on traffic signs, trained in brnn and in Larq.

Command    LARQ_PYTHON=... python -m experiments.recipes.larq [seeds]     (3 seeds)
Needs      gtsrb30.npz in $BRNN_DATA; the variable LARQ_PYTHON, an interpreter with Larq installed
Output     the test accuracy of each seed after the epoch with the best validation accuracy, and
           mean and standard deviation. Net, epochs, Adam, schedule, loss, batch and split are those
           of `brnn experiment=signs topology=traffic30`.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from brnn.config import groups
from brnn.data.pixels import to_pixels
from brnn.nets.task import task_of
from brnn.training import build
from experiments.commands import arguments
from experiments.nets import configuration
from experiments.speed import larq_layers

STUDY = ["experiment=signs", "topology=traffic30"]
LARQ_ACCURACY = Path(__file__).parents[1] / "larq_accuracy.py"


def main(seeds: int) -> None:
    """Print a row of each library."""
    python = os.environ.get("LARQ_PYTHON")
    if not python:
        sys.exit("error: LARQ_PYTHON must be an interpreter with Larq installed, got nothing")
    options = configuration(STUDY)
    data = groups.function("dataset", options["dataset"], [])()
    _print("brnn", [_accuracy(options | {"seed": seed}, data) for seed in range(seeds)])
    model = build.program(options, task_of(data)).manager.model
    optimizer = {
        key: options["optimizer"][key] for key in ("learning_rate", "epsilon", "clipvalue")
    }
    net = {key: options[key] for key in ("epochs", "batch_size")} | optimizer
    net |= {"layers": larq_layers(model), "seeds": seeds}
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/data.npz"
        splits = {"train": data.train, "validation": data.validation, "test": data.test}
        arrays = {f"x_{name}": to_pixels(x) for name, (x, _) in splits.items()}
        np.savez(path, **arrays, **{f"y_{name}": y for name, (_, y) in splits.items()})
        command = [python, str(LARQ_ACCURACY), json.dumps(net), path]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {command[:2]} failed: {done.stderr.strip().splitlines()[-1]}")
    _print("Larq", [json.loads(line) for line in done.stdout.splitlines()])


def _accuracy(options, data):
    epochs = list(build.epochs(build.program(options, task_of(data)), options, data))
    return max(epochs, key=lambda metrics: metrics["validation/accuracy"])["test/accuracy"]


def _print(name, accuracies):
    spread = stdev(accuracies) if len(accuracies) > 1 else float("nan")
    each = ", ".join(f"{accuracy:.4f}" for accuracy in accuracies)
    print(f"{name:8}{each}    mean {mean(accuracies):.4f} ({spread:.4f})", flush=True)


if __name__ == "__main__":
    main(*arguments(str(__doc__), seeds=3))
