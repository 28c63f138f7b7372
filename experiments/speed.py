"""How fast nets train and are evaluated here, with `Model.fit`, Larq, and the matrix products alone, side by side.

Command    python -m experiments.speed [rounds] [jobs]     (9 rounds, a sweep of 12 jobs; 0 jobs: no run, no sweep)
Needs      the full MNIST in $BRNN_DATA/mnist, two otherwise idle cores, about 15 minutes; for the rows of Larq the
           variable LARQ_PYTHON, which names the interpreter that Larq is installed for
Output     medians over rounds of images per second, and ratios. The contenders take turns within a round, so that a
           busy machine slows them all. Compiling and the first epoch are counted for none of them. `Model.fit` trains
           the same Keras model in full precision on the same data, shuffled, with the accuracy as its metric; at its
           best it has a cached and prefetched tf.data, XLA, and 50 steps per execution. Larq trains nets of dense
           layers with binary kernels by the `Model.fit` of Keras 2, in processes of its own, and is to be compared
           with brnn's binary weights. The bound is the time that the matrix products of a step take in a bare loop,
           in XLA or TensorFlow's graph mode, whichever is faster.
"""

import json
import os
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import brnn.cli.train  # noqa: F401  puts the sweeper on Hydra's path
from brnn import paths
from brnn.config import groups
from brnn.config.check import check
from brnn.data.pixels import to_pixels
from brnn.nets import models
from brnn.nets.task import task_of
from brnn.training import build, loop

NETS = {
    "simple": ["topology=simple"],
    "deep": ["topology=deep"],
    "simple, batch normalization": ["topology=simple", "topology.batch_normalization=true"],
    "GRU": ["topology=gru", "dataset=mnist_rows"],
}
JOBS = ["seed=range(4)", "optimizer.learning_rate=3e-4,1e-3,3e-3"]
BRNN = [sys.executable, "-m", "brnn"]
PARTS = (
    "training",
    "compile",
    "evaluation",
    "attack",
    "artifacts",
    "tracking",
)  # of a run, that it logs itself
LARQ = (
    'python3 -m venv larq && larq/bin/pip install "tensorflow-cpu==2.15.*" larq "numpy<2" (Python 3.9 to 3.11), '
    "then LARQ_PYTHON=larq/bin/python"
)
LARQ_SPEED = str(Path(__file__).with_name("larq_speed.py"))


def main() -> None:
    """Prints one table for each net, a run, and the sweep."""
    rounds, jobs = (
        int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((1, 9), (2, 12))
    )
    if not os.environ.get("LARQ_PYTHON"):
        print(f"without Larq; to have its rows: {LARQ}", flush=True)
    for name, overrides in NETS.items():
        _compare(name, overrides, rounds)
    if jobs:
        _run()
        _sweep()


def _compare(name, overrides, rounds):
    options, discretized = (
        configuration([*overrides, f"precision={precision}", "estimator=ste", "attack=none"])
        for precision in ("full", "contextual_binary")
    )
    data = groups.function("dataset", options["dataset"], [])()
    batch = options["batch_size"]
    steps = len(data.train[0]) // batch
    epochs = {
        "brnn": _ours(options, data, steps),
        "brnn, binary weights": _ours(discretized, data, steps),
        "Model.fit": _fit(options, data, steps, best=False),
        "Model.fit at its best": _fit(options, data, steps, best=True),
    }
    bound = _products(options, data, steps)
    if bound:
        epochs |= bound
    with _larq(options, data, steps) as larq:
        seconds = in_turn(epochs | larq, rounds)
    if bound:
        seconds["matrix products"] = min((seconds.pop(mode) for mode in bound), key=median)
    _print(f"training, {name}, batches of {batch}", seconds, steps * batch, rounds)
    program, x, y = _program(options, data), *data.test
    model = models.model_with_weights(options, task_of(data), "trained", program.manager.weights())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss, metrics=["accuracy"], jit_compile=False)
    pixels = to_pixels(x).numpy()
    evaluations = {
        "brnn": lambda: loop.score(program, x, y, batch),
        "Model.evaluate": lambda: model.evaluate(pixels, y, verbose=0),
        "Model.evaluate at its best": lambda: model.evaluate(
            pixels, y, batch_size=loop.EVALUATION_BATCH, verbose=0
        ),
    }
    _print(f"evaluation, {name}", in_turn(evaluations, rounds), len(x), rounds)


def configuration(overrides: list[str]) -> dict:
    """The checked configuration that the command line would compose."""
    with initialize_config_dir(version_base="1.3", config_dir=str(paths.conf())):
        options = OmegaConf.to_container(compose("config", overrides), resolve=True)
    check(options)
    return options


def _program(options, data):
    return build.program(
        options, task_of(data), groups.function("distribution", options["distribution"], [])()
    )


def _ours(options, data, steps):
    program, (x, y) = _program(options, data), map(tf.constant, data.train)
    batches = (
        np.random.default_rng(0)
        .permutation(len(x))[: steps * options["batch_size"]]
        .reshape(steps, -1)
    )
    rates = np.full(steps, options["optimizer"]["learning_rate"], "float32")
    arguments = [x, y, *map(tf.constant, (batches.astype("int32"), rates, [0, 0], 0, steps))]
    return lambda: program.train(*arguments, program.zeros(y, options["batch_size"]))[0][0][
        "loss"
    ].numpy()


def _fit(options, data, steps, best):
    model = _program(options, data).manager.model
    model = keras.models.clone_model(model)
    keys = {"jit_compile": True, "steps_per_execution": 50} if best else {}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.Adam(options["optimizer"]["learning_rate"]),
        loss,
        metrics=["accuracy"],
        **keys,
    )
    rows = steps * options["batch_size"]
    x, y = to_pixels(data.train[0][:rows]).numpy(), data.train[1][:rows]
    if not best:
        return lambda: model.fit(x, y, batch_size=options["batch_size"], verbose=0)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(rows)
    batches = batches.batch(options["batch_size"], drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    return lambda: model.fit(batches, verbose=0)


@contextmanager
def _larq(options, data, steps):
    """Epochs of Larq on a net of dense layers, in processes that end with the block."""
    python, layers = os.environ.get("LARQ_PYTHON"), _dense(options, data)
    if not python or not layers:
        yield {}
        return
    net = {key: options["topology"][key] for key in ("activation", "batch_normalization")}
    net |= {"widths": [layer.units for layer in layers], "batch_size": options["batch_size"]}
    net |= {"learning_rate": options["optimizer"]["learning_rate"]}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as processes:
        x, y = (array[: steps * options["batch_size"]] for array in data.train)
        np.savez(f"{folder}/train.npz", x=to_pixels(x), y=y)
        yield {
            name: _answering(
                processes,
                [python, LARQ_SPEED, json.dumps(net | {"best": best}), f"{folder}/train.npz"],
            )
            for name, best in (("Larq", False), ("Larq at its best", True))
        }


def _answering(processes, command):
    """Starts a process; the function lets it work once, and waits until it is done.

    Ctrl-C does not reach it, since its traceback would mix with ours: `processes` ends it.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = processes.enter_context(
        subprocess.Popen(command, start_new_session=True, text=True, **pipes)
    )
    processes.callback(process.terminate)

    def run():
        with suppress(BrokenPipeError):
            print(file=process.stdin, flush=True)
        if process.stdout.readline() != "done\n":
            raise RuntimeError(
                f"Larq failed; to see why, give a line of input to: {shlex.join(command)}"
            )

    return run


def _dense(options, data):
    """The dense layers of a net that has no further ones but batch normalization, else none."""
    layers = [
        layer for layer in _program(options, data).manager.model.layers if layer.trainable_weights
    ]
    layers = [layer for layer in layers if not isinstance(layer, keras.layers.BatchNormalization)]
    return layers if all(isinstance(layer, keras.layers.Dense) for layer in layers) else []


def _products(options, data, steps):
    """The matrix products of one epoch of a net of dense layers: forward, and the gradients of weights and inputs."""
    layers = _dense(options, data)
    if not layers:
        return {}
    batch, shapes = options["batch_size"], [tuple(layer.kernel.shape) for layer in layers]
    inputs = [tf.random.normal((batch, rows)) for rows, _ in shapes]
    kernels = [tf.random.normal(shape) for shape in shapes]
    gradients = [tf.random.normal((batch, columns)) for _, columns in shapes]

    def products(inputs, kernels, gradients):
        def step(number, total):
            some = (
                1.0 + tf.cast(number, tf.float32) * 1e-9
            )  # else the compiler would move the products out of the loop
            for layer, (x, kernel, gradient) in enumerate(
                zip(inputs, kernels, gradients, strict=True)
            ):
                total += (
                    tf.matmul(x * some, kernel)[0, 0]
                    + tf.matmul(x * some, gradient, transpose_a=True)[0, 0]
                )
                if layer:
                    total += tf.matmul(gradient * some, kernel, transpose_b=True)[0, 0]
            return number + 1, total

        return tf.while_loop(lambda number, _: number < steps, step, (0, 0.0))[1]

    compiled = {
        f"products {jit}": tf.function(products, jit_compile=jit, autograph=False)
        for jit in (True, False)
    }
    return {
        name: lambda function=function: function(inputs, kernels, gradients).numpy()
        for name, function in compiled.items()
    }


def in_turn(contenders: dict, rounds: int) -> dict[str, list[float]]:
    """The seconds that each contender, a function, takes in each round; what it takes to compile is not counted."""
    for run in contenders.values():
        run()
    seconds = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def _print(title, seconds, images, rounds):
    print(f"\n{title}: medians of {rounds} rounds\n{'':30}{'images/s':>10}{'time, of brnn':>16}")
    ours = median(seconds["brnn"])
    for name, times in seconds.items():
        print(f"{name:30}{images / median(times):10,.0f}{median(times) / ours:15.2f}x", flush=True)


def _run():
    """Where the time of one default run goes, as a process of its own with a new store: medians of 5 runs, seconds."""
    found = {}
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("tensorflow", "tensorflow, mlflow, hydra"):
                code = f"import os, {name}; os._exit(0)"
                found.setdefault(f"import {name}", []).append(
                    _timed([sys.executable, "-c", code], folder)
                )
            began = time.time()
            found.setdefault("the process", []).append(_timed([*BRNN, "estimator=ste"], folder))
            parts = {part: _logged(f"{folder}/mlflow.db", f"time/{part}") for part in PARTS}
            at, _ = parts["training"][0]  # when the first epoch was logged
            first = (
                at / 1000 - began - sum(parts[part][0][1] for part in ("training", "evaluation"))
            )
            found.setdefault("until the first step is done", []).append(first)
            for part, values in parts.items():
                found.setdefault(part, []).append(sum(value for _, value in values))
    print(
        "\none run of simple, 5 epochs, new store: medians of 5 processes\n"
        + f"{'':42}{'seconds':>10}"
    )
    seconds = {name: median(values) for name, values in found.items()}
    whole, others = (
        seconds["the process"],
        seconds["training"] + seconds["import tensorflow, mlflow, hydra"],
    )
    seconds["all but training and the three imports"] = whole - others
    for name, value in seconds.items():
        print(f"{name:42}{value:10.2f}{value / whole:15.3f} of the process")


def _timed(command, folder):
    """The seconds that a process takes."""
    environment = os.environ | {"BRNN_DATA": os.path.abspath(os.environ["BRNN_DATA"])}
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def _logged(file, key):
    """When, in milliseconds, and what was logged of a metric, in the order of steps."""
    with closing(sqlite3.connect(file)) as database:
        return database.execute(
            "select timestamp, value from metrics where key = ? order by step", (key,)
        ).fetchall()


def _sweep():
    """The wall time of a sweep of 12 jobs, in several processes and in one, and of 12 commands of one job each.

    Each has a folder of its own, since the sweep would else take the nets that the processes trained.
    """
    command, alone = [*BRNN, "estimator=ste"], 0.0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(4):
            for rate in JOBS[1].partition("=")[2].split(","):
                alone += _timed(
                    [*command, f"seed={seed}", f"optimizer.learning_rate={rate}"], folder
                )
    print(f"\n12 jobs in 12 processes, one after the other: {alone:.0f} s")
    for n_jobs in ("null", "1"):
        with tempfile.TemporaryDirectory() as folder:
            together = _timed(
                [*command, *JOBS, f"hydra.launcher.n_jobs={n_jobs}", "--multirun"], folder
            )
        print(
            f"12 jobs in a sweep, hydra.launcher.n_jobs={n_jobs}: {together:.0f} s, ratio {together / alone:.2f}"
        )


if __name__ == "__main__":
    main()
