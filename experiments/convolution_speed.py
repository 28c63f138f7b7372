"""Measure how fast convolutional nets train in brnn, in graph mode and in XLA, in turns.

Command    python -m experiments.convolution_speed [rounds]     (3 rounds)
Needs      two otherwise idle cores, about 10 minutes; the images are random
Output     one line per net and way: images per second and how many times slower than the fastest.
           The products of shifted images and of im2col are the same net with another form of
           its convolutions. Compilation is not counted, but printed.
"""

import os
import time
from functools import partial
from statistics import median
from typing import Literal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager, Rule
from brnn.training import losses, regimes
from brnn.training.program import Program
from brnn.training.trial import FLOAT32, Forms
from experiments.commands import arguments

BATCH, STEPS = 128, 8
FILTERS = ((16, 32), (32, 64, 128))
BFLOAT16 = Forms("float32", "bfloat16", "float32", "bfloat16")
SIGN = partial(quantizers.binary, scale=1.0)
STE = partial(estimators.ste, bound=1.0)


class Im2col(keras.layers.Conv2D):
    """A convolution as one product of a matrix of windows."""

    def convolution_op(self, x, kernel):
        windows = ops.concatenate(list(_shifted(x, kernel)), axis=-1)
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
        sums = ops.reshape(windows, (-1, windows.shape[-1])) @ matrix
        return ops.reshape(sums, (-1, *windows.shape[1:3], kernel.shape[-1]))


class ShiftedProducts(keras.layers.Conv2D):
    """A convolution as a sum of products, one for each place of the kernel."""

    def convolution_op(self, x, kernel):
        height, width = kernel.shape[:2]
        places = [kernel[row, column] for row in range(height) for column in range(width)]
        return sum(part @ place for part, place in zip(_shifted(x, kernel), places, strict=True))


WAYS = {
    "compiled=auto, bfloat16": (keras.layers.Conv2D, "auto", BFLOAT16),
    "compiled=auto, float32": (keras.layers.Conv2D, "auto"),
    "graph mode": (keras.layers.Conv2D, False),
    "graph mode, im2col": (Im2col, False),
    "XLA": (keras.layers.Conv2D, True),
    "XLA, im2col": (Im2col, True),
    "XLA, shifted products": (ShiftedProducts, True),
}


def main(rounds: int) -> None:
    """Print a table for each net."""
    for filters in FILTERS:
        print(f"\nconvolutions of 3 by 3 with {filters} filters on 28 by 28")
        steps = {name: _epoch(filters, name, *way) for name, way in WAYS.items()}
        seconds: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(rounds):
            for name, run in steps.items():
                seconds[name].append(_timed(run))
        fastest = min(map(median, seconds.values()))
        for name, times in seconds.items():
            speed, ratio = BATCH * STEPS / median(times), median(times) / fastest
            print(f"{name:24}{speed:10,.0f} images/s{ratio:8.1f}x", flush=True)


def _shifted(x, kernel):
    """Yield the images shifted by each place of a kernel, cut to the size of the output."""
    height, width = kernel.shape[:2]
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    for row in range(height):
        for column in range(width):
            yield x[:, row : row + rows, column : column + columns]


def _net(filters, layer) -> keras.Model:
    x = inputs = keras.Input((28, 28, 1))
    for channels in filters:
        fan_in = 9 * x.shape[-1]
        x = keras.layers.MaxPooling2D(2)(layer(channels, 3)(x))
        x = QuantActivation(SIGN, STE, fan_in)(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(x)))


def _epoch(filters, name: str, layer, compiled: bool | Literal["auto"], forms: Forms = FLOAT32):
    """Return a function that trains `STEPS` steps, compiled."""
    manager = QuantManager(_net(filters, layer), [Rule("kernel", SIGN, 1.0)])
    optimizer, loss = keras.optimizers.Adam(), losses.cross_entropy
    program = Program(manager, optimizer, loss, regimes.standard, compiled, forms=forms)
    rng, rows = np.random.default_rng(0), BATCH * STEPS
    x = tf.constant(rng.random((rows, 28, 28, 1)).astype("float32"))
    y = tf.constant((np.arange(rows) % 10).astype("int32"))
    batches = tf.constant(np.arange(rows, dtype="int32").reshape(STEPS, BATCH))
    table, seed = {"train/learning_rate": tf.fill(STEPS, 1e-3)}, tf.constant([0, 0])

    def run(stop: int = STEPS) -> float:
        first, end = tf.constant(0), tf.constant(stop)
        zeros = program.zeros(y, BATCH)
        (sums, _), _ = program.train(x, y, batches, table, seed, first, end, zeros)
        return float(sums["loss"])

    print(f"{name:24} compiled in {_timed(lambda: run(1)):.1f} s", flush=True)
    return run


def _timed(run) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main(*arguments(__doc__, rounds=3))
