"""Which exact form of a product this processor computes fastest, by a short trial.

The first result is kept in the user's cache, so that all processes on a machine choose alike,
whatever their number of threads. The form changes no sum; only gradients through products in
bfloat16 are rounded.
"""

import importlib.metadata
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf

from brnn import paths
from brnn.config import processor
from brnn.config.fingerprint import hash_json
from brnn.contracts import Array
from brnn.training.products import FORMS, LARGEST

Compute = Literal["auto", "float32", "bfloat16"]
SIZE = (1024, 512, 512)  # rows, inputs and outputs of a product
ROUNDS = 7
GAIN = 0.8  # share of the time of float32; a form that takes more is not worth its rounding


@dataclass(frozen=True)
class Forms:
    """The names of the forms of products, in evaluation and where an attack takes gradients."""

    evaluation: str
    gradient: str

    def __str__(self) -> str:
        return f"{self.evaluation} in evaluation, {self.gradient} in attacks"


FLOAT32 = Forms("float32", "float32")


def forms(compute: Compute) -> Forms:
    """Return the forms that a choice of the key `compute` means on this machine."""
    if compute == "float32":
        return FLOAT32
    evaluation, gradient = seconds()
    fastest = min(evaluation, key=lambda form: evaluation[form])
    if compute == "bfloat16":
        return Forms(fastest, "bfloat16")
    return Forms(_worthwhile(fastest, evaluation), _worthwhile("bfloat16", gradient))


@cache
def seconds() -> tuple[dict[str, float], dict[str, float]]:
    """Return the seconds of a product in each form, without and with its gradient.

    Forms that the processor lacks, or with which sums are not exact, are left out.
    """
    file = _file()
    kept = _read(file)
    if kept is None:
        kept = _measure()
        with suppress(OSError):
            _keep(kept, file)
        kept = _read(file) or kept  # that of a process which was faster
    return kept


def _measure() -> tuple[dict[str, float], dict[str, float]]:
    rng = np.random.default_rng(0)
    rows, inner, outer = SIZE
    codes, kernel = (
        tf.constant(rng.choice([-1, 1], shape).astype("float32"))
        for shape in ((rows, inner), (inner, outer))
    )
    pixels = tf.constant(rng.integers(int(LARGEST) + 1, size=(rows, inner), dtype="uint8"))
    evaluation = _measured({form: _product(form) for form in FORMS}, codes, kernel, pixels)
    with_gradient = {form: _gradient(form) for form in ("float32", "bfloat16")}
    return evaluation, _measured(with_gradient, codes, kernel, None)


def _worthwhile(form: str, times: dict[str, float]) -> str:
    return form if times.get(form, np.inf) < GAIN * times["float32"] else "float32"


def _product(name: str) -> Callable[..., tuple[Array, ...]]:
    def product(codes: Array, kernel: Array, pixels: Array) -> tuple[Array, ...]:
        form = FORMS[name]
        sums = form.multiply(form.encode(codes), kernel, True)
        return tf.cast(sums, tf.float32), tf.cast(form.multiply_pixels(pixels, kernel), tf.float32)

    return product


def _gradient(name: str) -> Callable[..., tuple[Array, ...]]:
    def gradient(codes: Array, kernel: Array, pixels: None) -> tuple[Array, ...]:
        form = FORMS[name]
        with tf.GradientTape() as tape:
            tape.watch(codes)
            sums = tf.cast(form.multiply(form.encode(codes), kernel, True), tf.float32)
        return sums, tape.gradient(sums, codes)

    return gradient


def _measured(functions: dict[str, Callable], *arguments: Array | None) -> dict[str, float]:
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
    key = hash_json([version, processor.features(), onednn, devices])
    return paths.user_cache() / f"products-{key}.json"


def _read(file: Path) -> tuple[dict[str, float], dict[str, float]] | None:
    """Return the kept seconds, None where there are none; a damaged file is deleted."""
    try:
        kept = json.loads(file.read_text())
        return kept["evaluation"], kept["gradient"]
    except OSError:
        return None
    except (ValueError, KeyError):
        file.unlink(missing_ok=True)
        return None


def _keep(times: tuple[dict[str, float], dict[str, float]], file: Path) -> None:
    """Write the seconds whole, unless another process did so first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps(dict(zip(("evaluation", "gradient"), times, strict=True))))
    try:
        os.link(part, file)
    finally:
        part.unlink()
