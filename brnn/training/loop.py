"""The training loop: epochs of a compiled program over data in memory."""

import os
import time
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from brnn.errors import NonFiniteError
from brnn.measures.weights import spectral_radii
from brnn.training.program import Program

EVALUATION_BATCH = 2500
PIECE = 1.0  # seconds of training after which Python may show progress, or stop


def no_progress(what, share: float) -> None:
    """Tells nobody which share of something is done."""


def fit(
    program: Program,
    data,
    *,
    epochs: int,
    batch_size: int,
    rates: Callable,
    seed: int,
    start: int = 0,
    tell: Callable[[int, float], None] = no_progress,
) -> Iterator[dict[str, float]]:
    """Trains from epoch `start` to `epochs`, and yields the metrics of each.

    `data` has pairs of arrays `train`, `validation` and `test`, whose inputs are pixels where they are bytes (see
    `brnn.tasks.pixels`); `rates(steps, total)` gives the learning rate of each step. Every epoch goes once through a
    permutation of the training rows, drawn from the seed and the epoch's number, or through streams of them where the
    net carries a state; rows that fill no batch are left out. About once a second `tell` hears the number of the
    epoch, from 0, and which share of it is done. Raises `NonFiniteError`.
    """
    x, y = map(tf.constant, data.train)
    steps = len(x) // batch_size
    for epoch in program.replicas.epochs(start, epochs, program.variables):
        batches = _order(
            program, steps * batch_size, batch_size, np.random.default_rng([seed, epoch]), len(x)
        )
        batches = program.replicas.share(batches)
        learning_rates = rates(
            np.arange(epoch * steps, (epoch + 1) * steps), epochs * steps
        ).astype("float32")
        arguments = [x, y, *map(tf.constant, (batches, learning_rates, [seed, epoch]))]
        so_far = program.zeros(y, batches.shape[1])
        radii = spectral_radii(program.manager)
        began = time.perf_counter()
        with program.replicas.together():
            _compile(program.train, *arguments, *map(tf.constant, (0, 0)), so_far)
            compiled = began_piece = time.perf_counter()
            done, stop = (
                0,
                1 if program.replicas.workers == 1 else steps,
            )  # several workers keep in step
            while done < steps:
                tell(epoch, done / steps)
                so_far, finite = program.train(*arguments, *map(tf.constant, (done, stop)), so_far)
                if not finite:
                    raise NonFiniteError(
                        f"epoch {epoch + 1}: the loss is {float(so_far[0]['loss']) / stop}, and it or a weight is not"
                        f" finite; {_cause(radii, learning_rates[stop - 1])}"
                    )
                now = time.perf_counter()
                piece = max(1, int(PIECE * (stop - done) / (now - began_piece)))
                done, stop, began_piece = stop, min(steps, stop + piece), now
        metrics = {f"train/{name}": float(total) / steps for name, total in so_far[0].items()}
        seconds = time.perf_counter() - compiled
        for split in ("validation", "test"):
            scores = score(program, *getattr(data, split), batch_size)
            metrics |= {f"{split}/{name}": value for name, value in scores.items()}
        yield metrics | {
            "train/images_per_second": steps * batch_size / seconds,
            "train/learning_rate": float(learning_rates[-1]),
            "time/compile": compiled - began,
            "time/training": seconds,
            "time/evaluation": time.perf_counter() - compiled - seconds,
        }


def score(program: Program, x: np.ndarray, y: np.ndarray, batch_size: int) -> dict[str, float]:
    """The loss and, of classes, the accuracy of the discretized net over all rows; empty where there are none.

    A net that carries a state reads the rows as `batch_size` streams, each from a state of zeros.
    """
    if not len(x):
        return {}
    carries = bool(program.manager.initial_state(1))
    order = streams(len(x), batch_size) if carries else chunks(len(x), EVALUATION_BATCH)
    state = program.manager.initial_state(order.shape[1])
    batches = []
    for rows in order:
        values, state = program.evaluate(x[rows % len(x)], y[rows % len(x)], state)
        batches.append(values)
    rows, places = np.unique(order, return_index=True)
    places = places[rows < len(x)]
    return {
        name: float(np.concatenate([one[name] for one in batches])[places].mean())
        for name in batches[0]
    }


def chunks(rows: int, size: int) -> np.ndarray:
    """The numbers from 0 to `rows` - 1 in rows of `size` at most; the last is filled up with zeros."""
    size = min(size, rows)
    filled = np.zeros(-(-rows // size) * size, "int32")
    filled[:rows] = np.arange(rows)
    return filled.reshape(-1, size)


def streams(rows: int, size: int) -> np.ndarray:
    """The numbers from 0 up in columns, `size` at most, that each go on down; the last ones go beyond `rows` - 1."""
    size = min(size, rows)
    return np.arange(-(-rows // size) * size, dtype="int32").reshape(size, -1).T


def _compile(function, *arguments):
    """Compiles by a call; what XLA keeps of earlier ones may be damaged, or its disk full."""
    try:
        function(*arguments)
    except (
        tf.errors.OutOfRangeError,
        tf.errors.InvalidArgumentError,
        tf.errors.ResourceExhaustedError,
    ) as error:
        kept = os.environ.get("TF_XLA_FLAGS", "").partition("persistent_cache_directory=")[2]
        if not kept:
            raise
        raise OSError(
            f"{error.message}; if this is for what XLA keeps compiled, remove {kept}"
        ) from error


def _order(program, used, batch_size, rng, rows):
    """The rows of each step of an epoch."""
    if program.manager.initial_state(1):
        return streams(used, batch_size)
    return rng.permutation(rows)[:used].reshape(-1, batch_size).astype("int32")


def _cause(radii: dict[str, float], rate: float) -> str:
    """What values that are not finite most likely come from, and what to do."""
    path, radius = max(radii.items(), key=lambda one: one[1], default=("", 0.0))
    if radius > 1:
        return (
            f"the discretized {path} had a spectral radius of {radius:.3g}, and a state grows by this factor at each"
            f" step where nothing bounds it; try a smaller scale of recurrent kernels, another initializer than"
            f" scaled_identity, or a lower optimizer.learning_rate (now {rate:.3g})"
        )
    return f"try a lower optimizer.learning_rate (now {rate:.3g})"
