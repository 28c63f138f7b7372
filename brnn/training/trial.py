"""Which exact form of a product this processor computes fastest, by a short trial.

The first result is kept in the user's cache, so that all processes on a machine choose alike,
whatever their number of threads. The form changes no sum; only gradients through products in
bfloat16 are rounded.
"""

import importlib.metadata
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf

from brnn import paths
from brnn.config import processor
from brnn.config.fingerprint import hash_json
from brnn.contracts import Array
from brnn.training.convolutions import convolution
from brnn.training.fused import by_xla
from brnn.training.products import FORMS, LARGEST, Form

Compute = Literal["auto", "float32", "bfloat16"]
SIZE = (1024, 512, 512)  # rows, inputs and outputs of a product
STEP = 128  # rows of a training step
MAPS, FILTERS = (64, 14, 14, 32), (3, 3, 32, 64)  # of a convolution
ROUNDS = 7
GAIN = 0.9  # share of the time of float32; a form that takes more is not worth its rounding
USES = ("evaluation", "gradient", "training", "convolution")

Times = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Forms:
    """The names of the forms of products of levels.

    Attributes:
        evaluation: of dense products without gradient.
        attack: of those in attacks on a trained net, and of training in graph mode.
        training: of those in a training step that XLA compiles, with its attacks.
        convolution: of convolutions.
    """

    evaluation: str
    attack: str
    training: str
    convolution: str

    def __str__(self) -> str:
        return (
            f"{self.evaluation} in evaluation, {self.attack} in attacks,"
            f" {self.training} in training, {self.convolution} in convolutions"
        )


FLOAT32 = Forms("float32", "float32", "float32", "float32")


def forms(compute: Compute) -> Forms:
    """Return the forms that a choice of the key `compute` means on this machine."""
    if compute == "float32":
        return FLOAT32
    times = seconds()
    evaluation = times["evaluation"]
    fastest = min(evaluation, key=lambda form: evaluation[form])
    if compute == "bfloat16":
        return Forms(fastest, "bfloat16", "xla_bfloat16", "bfloat16")
    return Forms(
        _worthwhile(fastest, evaluation),
        _worthwhile("bfloat16", times["gradient"]),
        _worthwhile("xla_bfloat16", times["training"]),
        _worthwhile("bfloat16", times["convolution"]),
    )


@cache
def seconds() -> Times:
    """Return the seconds of each form, for each use: see `Forms`.

    A dense product is measured without and with its gradient, a convolution with it. Forms that
    the processor lacks, or with which sums are not exact, are left out.
    """
    file = _file()
    kept = _read(file)
    if kept is None:
        kept = _measure()
        with suppress(OSError):
            _keep(kept, file)
        kept = _read(file) or kept  # that of a process which was faster
    return kept


def _measure() -> Times:
    rng = np.random.default_rng(0)
    codes, kernel, maps, filters = (
        tf.constant(rng.choice([-1, 1], shape).astype("float32"))
        for shape in (SIZE[:2], SIZE[1:], MAPS, FILTERS)
    )
    pixels = tf.constant(rng.integers(int(LARGEST) + 1, size=SIZE[:2], dtype="uint8"))
    narrow = ("float32", "bfloat16")
    dense = {name: partial(_gradients, FORMS[name]) for name in narrow}
    in_xla = {
        name: by_xla(partial(_gradients, FORMS[name])) for name in ("float32", "xla_bfloat16")
    }
    convolutions = {
        name: partial(_gradients, convolution(name, FILTERS, (1, 1), "same")) for name in narrow
    }
    products = {name: _run(partial(_products, form), form) for name, form in FORMS.items()}
    return {
        "evaluation": _measured(products, codes, kernel, pixels),
        "gradient": _measured(dense, codes, kernel),
        "training": _measured(in_xla, codes[:STEP], kernel),
        "convolution": _measured(convolutions, maps, filters),
    }


def _worthwhile(form: str, times: dict[str, float]) -> str:
    return form if times.get(form, np.inf) < GAIN * times["float32"] else "float32"


def _run(function: Callable, form: Form) -> Callable:
    """Return a function that runs as a net with this form does."""
    return function if form.graph_only else by_xla(function)


def _products(form: Form, codes: Array, kernel: Array, pixels: Array) -> tuple[Array, ...]:
    sums = form.multiply(form.encode(codes), kernel, True)
    of_pixels = form.multiply_pixels(pixels, kernel, True)
    return (tf.stack([tf.cast(part, tf.float32) for part in (sums, of_pixels)]),)


def _gradients(form: Form, codes: Array, kernel: Array) -> tuple[Array, ...]:
    with tf.GradientTape() as tape:
        tape.watch([codes, kernel])
        sums = tf.cast(form.multiply(form.encode(codes), kernel, True), tf.float32)
    return sums, *tape.gradient(sums, [codes, kernel])


def _measured(functions: Mapping[str, Callable], *arguments: Array) -> dict[str, float]:
    """Return the least seconds of each function that gives the sums of float32; all take turns."""
    graphs = {name: tf.function(f, autograph=False) for name, f in functions.items()}
    expected = graphs["float32"](*arguments)[0]
    for name in [name for name in graphs if name != "float32"]:
        try:
            equal = bool(tf.reduce_all(graphs[name](*arguments)[0] == expected))
        except tf.errors.OpError:  # a processor, or a build of TensorFlow, without it
            equal = False
        if not equal:
            del graphs[name]
    times: dict[str, list[float]] = {name: [] for name in graphs}
    for _ in range(ROUNDS):
        for name, graph in graphs.items():
            began = time.perf_counter()
            graph(*arguments)[0].numpy()
            times[name].append(time.perf_counter() - began)
    return {name: min(values) for name, values in times.items()}


def _file() -> Path:
    devices = len(tf.config.list_physical_devices("GPU"))
    version = importlib.metadata.version("tensorflow")
    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "")
    shapes = (SIZE, STEP, MAPS, FILTERS)
    key = hash_json([version, processor.features(), onednn, devices, sorted(FORMS), shapes])
    return paths.user_cache() / f"products-{key}.json"


def _read(file: Path) -> Times | None:
    """Return the kept seconds, None where there are none; a damaged file is deleted."""
    try:
        kept = json.loads(file.read_text())
        return {use: {"float32": kept[use]["float32"], **kept[use]} for use in USES}
    except OSError:
        return None
    except (ValueError, KeyError, TypeError):
        with suppress(OSError):
            file.unlink()
        return None


def _keep(times: Times, file: Path) -> None:
    """Write the seconds whole, unless another process did so first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps(times))
    try:
        os.link(part, file)
    finally:
        part.unlink()
