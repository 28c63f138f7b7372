"""Measure how fast brnn trains, evaluates and attacks nets, beside `Model.fit` and Larq.

Command    python -m experiments.speed [rounds] [jobs]   (5 rounds, a sweep of 12 jobs; with 0 jobs
           neither the run nor the sweep is measured)
Needs      the full MNIST in $BRNN_DATA/mnist, two otherwise idle cores, about 15 minutes without
           the sweep; for the rows of another build the variable BASELINE, a checkout of it; for
           those of Larq the variable LARQ_PYTHON, an interpreter with Larq installed
Output     the processor, the flags, and which forms of products compute=auto takes; then medians
           over rounds of images per second, and ratios. The contenders take turns within a round,
           so that a busy machine slows them all. Neither compilation nor the first epoch is
           counted. `Model.fit` trains the same Keras model in full precision on the same data,
           shuffled, with accuracy as its metric; at its best it has a cached and prefetched
           tf.data, XLA (but for convolutions), and 50 steps per execution. The attack is PGD on
           the trained nets, of 40 steps on the first 1,000 test images; it leaves an image once
           it is broken, so that its work depends on the net. Larq trains the net
           of binarynet, but for recurrent nets, by `Model.fit` of Keras 2, in processes of its
           own; at its best as `Model.fit`. The bound is the time of a step's matrix products and
           convolutions in a bare loop, in XLA or TensorFlow's graph mode, whichever is faster.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from brnn.cli import machine
from brnn.config import groups
from brnn.data.pixels import to_pixels
from brnn.nets import models
from brnn.nets.task import task_of
from brnn.quantization.layers import QuantActivation
from brnn.runs.plan import choose_replicas
from brnn.training import build, loop, trial
from brnn.training.modes import is_faster_in_xla
from experiments import build_speed, export_speed, process_speed
from experiments.commands import arguments
from experiments.nets import configuration

NETS = {  # the overrides, and the rows of an epoch
    "simple": (["topology=simple"], 60_000),
    "deep": (["topology=deep"], 20_000),
    "mlp": (["topology=mlp"], 20_000),
    "GRU": (["topology=gru", "dataset=mnist_rows"], 5_000),
    "lenet": (["topology=lenet"], 1_280),
    "traffic30": (["topology=traffic30"], 1_280),
}
PRECISIONS = {
    "brnn": "full",
    "brnn, binary weights": "contextual_binary",
    "brnn, binarynet": "binarynet",
}
PARTS = ("train", "evaluate", "attack")  # of a build
FLAGS = ("XLA_FLAGS", "TF_XLA_FLAGS", "TF_ENABLE_ONEDNN_OPTS", "OMP_NUM_THREADS")
LARQ = (
    'python3 -m venv larq && larq/bin/pip install "tensorflow-cpu==2.15.*" larq "numpy<2"'
    " (Python 3.9 to 3.11), then LARQ_PYTHON=larq/bin/python"
)
PRODUCTS = (keras.layers.Dense, keras.layers.Conv2D)
LARQ_SPEED, BUILD_SPEED = (
    str(Path(__file__).with_name(name)) for name in ("larq_speed.py", "build_speed.py")
)


def main(rounds: int, jobs: int) -> None:
    """Print a table for each net, one for a run, and the times of a sweep."""
    if "BRNN_DATA" not in os.environ:
        sys.exit("error: BRNN_DATA must be the folder that holds mnist/, got nothing")
    if not os.environ.get("LARQ_PYTHON"):
        print(f"without Larq; to have its rows: {LARQ}", flush=True)
    _print_machine()
    for name, (overrides, rows) in NETS.items():
        _compare(name, overrides, rows, rounds)
    print("\nexported nets")
    export_speed.main(rounds)
    if jobs:
        process_speed.print_run()
        process_speed.print_sweep()


def _print_machine():
    rows = machine.rows() | {name: os.environ.get(name, "unset") for name in FLAGS}
    rows |= {"compute=auto": str(trial.forms("auto"))}
    for name, times in trial.seconds().items():
        rows[f"trial, {name}"] = ", ".join(f"{k} {v * 1e3:.2f} ms" for k, v in times.items())
    for key, value in rows.items():
        print(f"{key:24}{value}")


def _compare(name, overrides, rows, rounds):
    overrides = [*overrides, "estimator=ste"]
    options = configuration([*overrides, "precision=full", "attack=none"])
    data = groups.function("dataset", options["dataset"], [])()
    data = replace(data, train=tuple(array[:rows] for array in data.train))
    batch = options["batch_size"]
    steps = len(data.train[0]) // batch
    ours = {
        row: build_speed.contender([*overrides, f"precision={precision}"], rows)
        for row, precision in PRECISIONS.items()
    }
    with ExitStack() as stack:
        ours |= _baseline(stack, overrides, rows)
        epochs = {row: parts["train"] for row, parts in ours.items()} | {
            "Model.fit": _fit(options, data, steps, best=False),
            "Model.fit at its best": _fit(options, data, steps, best=True),
        }
        bound = _products(options, data, steps)
        larq = stack.enter_context(_larq(overrides, data, steps))
        seconds = in_turn(epochs | bound | larq, rounds)
        if bound:
            seconds["products alone"] = min((seconds.pop(mode) for mode in bound), key=median)
        _print(f"training, {name}, batches of {batch}", seconds, steps * batch, rounds)
        x, y = (array[:rows] for array in data.test)
        evaluations = {row: parts["evaluate"] for row, parts in ours.items()}
        evaluations |= _evaluate(options, data, x, y)
        _print(f"evaluation, {name}", in_turn(evaluations, rounds), len(x), rounds)
        attacks = {row: parts["attack"] for row, parts in ours.items()}
        _print(f"PGD, {name}", in_turn(attacks, rounds), build_speed.ATTACKED, rounds)


def _baseline(stack, overrides, rows):
    """Return the row of another build, in a process that ends with the stack."""
    folder = os.environ.get("BASELINE")
    if not folder:
        return {}
    words = json.dumps([*overrides, "precision=binarynet"])
    command = [sys.executable, BUILD_SPEED, words, str(rows)]
    environment = os.environ | {"PYTHONPATH": os.path.abspath(folder)}
    run = _start(stack, command, environment)
    return {"baseline, binarynet": {part: partial(run, part) for part in PARTS}}


def _evaluate(options, data, x, y):
    """Return evaluations by `Model.evaluate` of the same Keras model."""
    weights = _program(options, data).manager.weights()
    model = models.model_with_weights(options, task_of(data), "trained", weights)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss, metrics=["accuracy"], jit_compile=False)
    pixels = to_pixels(x).numpy()
    return {
        "Model.evaluate": lambda: model.evaluate(pixels, y, verbose=0),
        "Model.evaluate at its best": lambda: model.evaluate(
            pixels, y, batch_size=loop.EVALUATION_BATCH, verbose=0
        ),
    }


def _program(options, data):
    return build.program(options, task_of(data), choose_replicas(options, None))


def _fit(options, data, steps, best):
    model = _program(options, data).manager.model
    model = keras.models.clone_model(model)
    jit = is_faster_in_xla(model)
    keys = {"jit_compile": jit, "steps_per_execution": 50} if best else {}
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
def _larq(overrides, data, steps):
    """Yield epochs of Larq on the net of binarynet, in processes that end with the block."""
    options = configuration([*overrides, "precision=binarynet", "attack=none"])
    model = _program(options, data).manager.model
    layers = larq_layers(model)
    python = os.environ.get("LARQ_PYTHON")
    if not python or ["recurrent"] in layers:
        yield {}
        return
    net = {"layers": layers, "batch_size": options["batch_size"]}
    net |= {"learning_rate": options["optimizer"]["learning_rate"]}
    net |= {"compile": is_faster_in_xla(model)}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as processes:
        x, y = (array[: steps * options["batch_size"]] for array in data.train)
        np.savez(f"{folder}/train.npz", x=to_pixels(x), y=y)
        yield {
            name: _start(
                processes,
                [python, LARQ_SPEED, json.dumps(net | {"best": best}), f"{folder}/train.npz"],
            )
            for name, best in (("Larq", False), ("Larq at its best", True))
        }


def larq_layers(model: keras.Model) -> list[list]:
    """Return kind and arguments of each layer but the inputs, as `larq_speed` takes them."""
    return [described for layer in model.layers if (described := _described(layer))]


def _described(layer):
    if isinstance(layer, keras.layers.Conv2D):
        return ["convolution", layer.filters, layer.kernel_size[0]]
    if isinstance(layer, keras.layers.Dense):
        return ["dense", layer.units]
    if isinstance(layer, keras.layers.MaxPooling2D):
        return ["pool", layer.pool_size[0]]
    if isinstance(layer, keras.layers.ZeroPadding2D):
        return ["padding", layer.padding]
    if isinstance(layer, keras.layers.Reshape):
        return ["reshape", layer.target_shape]
    kinds = {
        keras.layers.BatchNormalization: ["normalization"],
        keras.layers.Flatten: ["flatten"],
        keras.layers.InputLayer: [],
        QuantActivation: ["sign"],
    }
    return kinds.get(type(layer), ["recurrent"])


def _start(processes, command, environment=None):
    """Start a process, and return a function that gives it a line and waits until it is done.

    Ctrl-C does not reach the process, since its traceback would mix with ours: `processes` ends it.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = processes.enter_context(
        subprocess.Popen(command, start_new_session=True, text=True, env=environment, **pipes)
    )
    processes.callback(process.terminate)

    def run(line=""):
        with suppress(BrokenPipeError):
            print(line, file=process.stdin, flush=True)
        if process.stdout.readline() != "done\n":
            raise RuntimeError(
                f"a contender failed; to see why, give the line {line!r} to: {shlex.join(command)}"
            )

    return run


def _product(layer, x, kernel):
    """Return the sums of a dense layer or a convolution."""
    if isinstance(layer, keras.layers.Dense):
        return tf.matmul(x, kernel)
    return tf.nn.conv2d(x, kernel, layer.strides, layer.padding.upper())


def _products(options, data, steps):
    """Return functions that compute one epoch's products of a net, in one or two modes.

    A layer has one product forward, and one each for the gradients of its weights and its inputs.
    The modes are TensorFlow's graph mode and, without convolutions, XLA. Products are of float32,
    and where compute=auto takes bfloat16 for convolutions, all products of nets that have them of
    bfloat16. Nets with other products have no function.
    """
    model = _program(options, data).manager.model
    layers = [
        layer
        for layer in model.layers
        if layer.trainable_weights and not isinstance(layer, keras.layers.BatchNormalization)
    ]
    if not all(type(layer) in PRODUCTS for layer in layers):
        return {}
    batch, in_xla = options["batch_size"], is_faster_in_xla(model)
    dtype = "float32" if in_xla else trial.forms("auto").convolution

    def drawn(shape):
        return tf.cast(tf.random.normal(shape), dtype)

    inputs = [drawn((batch, *layer.input.shape[1:])) for layer in layers]
    kernels = [drawn(layer.kernel.shape) for layer in layers]
    upstream = [drawn((batch, *layer.output.shape[1:])) for layer in layers]

    def products(inputs, kernels, upstream):
        def step(number, total):
            # without a factor of the step the compiler would move the products out of the loop
            factor = tf.cast(1.0 + tf.cast(number, tf.float32) * 1e-9, dtype)
            for layer, x, kernel, gradient in zip(layers, inputs, kernels, upstream, strict=True):
                changed = x * factor
                variables = [kernel] if layer is layers[0] else [kernel, changed]
                with tf.GradientTape() as tape:
                    tape.watch(variables)
                    sums = _product(layer, changed, kernel)
                for result in [sums, *tape.gradient(sums, variables, gradient * factor)]:
                    total += tf.cast(tf.reshape(result, [-1])[0], tf.float32)
            return number + 1, total

        state = (0, 0.0)
        return tf.while_loop(lambda n, _: n < steps, step, state, parallel_iterations=1)[1]

    compiled = {
        f"products {jit}": tf.function(products, jit_compile=jit, autograph=False)
        for jit in ((True, False) if in_xla else (False,))
    }
    return {
        name: lambda function=function: function(inputs, kernels, upstream).numpy()
        for name, function in compiled.items()
    }


def in_turn(contenders: dict, rounds: int) -> dict[str, list[float]]:
    """Return the seconds that each contender, a function, takes in each round.

    Each is called once before, so that compilation is not counted.
    """
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
    print(
        f"\n{title}: medians of {rounds} rounds\n{'':30}{'images/s':>10}{'time, of binarynet':>20}"
    )
    ours = median(seconds["brnn, binarynet"])
    for name, times in seconds.items():
        print(f"{name:30}{images / median(times):10,.0f}{median(times) / ours:19.2f}x", flush=True)


if __name__ == "__main__":
    main(*arguments(__doc__, rounds=5, jobs=12))
