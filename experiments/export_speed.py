"""Measure how fast exported nets run on one core, in turns.

Command    python -m experiments.export_speed [rounds]     (9 rounds)
Needs      a C compiler, onnxruntime, about 2 minutes; images and weights are random
Output     one line per format: microseconds of CPU time for an image, one at a time and 128 at
           once, as medians over rounds, and how many times as fast as float32 in ONNX Runtime. The
           net is topology=mlp of precision=binarynet; the classes of all formats are compared.
"""

import os
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from brnn.exchange.c import c
from brnn.exchange.levels import levels
from brnn.exchange.onnx_formats import onnx, onnx_packed
from brnn.exchange.reading import read
from brnn.nets import models
from brnn.nets.task import Task
from experiments.commands import arguments
from experiments.nets import configuration

FORMATS = {"onnx": onnx, "onnx_packed": onnx_packed, "c": c, "levels": levels}
ROWS = (1, 128)


def main(rounds: int) -> None:
    """Print a line for each format."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1000, 28, 28), dtype="uint8")
    net = read(_model(rng), pixels=True)
    files = {name: write(net) for name, write in FORMATS.items()}
    logits = {name: next(iter(file.runtimes.values()))(images) for name, file in files.items()}
    differ = {
        name: (found.argmax(1) != logits["c"].argmax(1)).sum() for name, found in logits.items()
    }
    times: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for name, file in files.items():
            for rows in ROWS:
                seconds = file.seconds(images[:rows]) / rows
                times.setdefault((name, rows), []).append(1e6 * seconds)
    print(f"{'format':12}" + "".join(f"{f'us by {rows}':>12}{'times':>8}" for rows in ROWS), end="")
    print(f"{'other classes':>16}")
    for name in files:
        line = f"{name:12}"
        for rows in ROWS:
            used = median(times[name, rows])
            line += f"{used:12.2f}{median(times['onnx', rows]) / used:8.2f}"
        print(f"{line}{differ[name]:16}")


def _model(rng):
    """Return the net with random weights, whose normalizations move the thresholds."""
    options = configuration(["topology=mlp", "precision=binarynet"])
    task = Task((28, 28), 10)
    model = models.untrained_model(options, task, "identity")
    for layer in model.layers:
        weights = [rng.normal(size=weight.shape) for weight in layer.get_weights()]
        if layer.name.startswith("normalization"):
            weights[3] = np.abs(weights[3]) * 500
        elif weights:
            weights = [np.where(weight >= 0, 1.0, -1.0) for weight in weights]
        layer.set_weights(weights)
    return model


if __name__ == "__main__":
    main(*arguments(__doc__, rounds=9))
