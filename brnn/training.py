"""Training and evaluation: an epoch is one compiled program, and yields a dict of metrics.

The data stay on the device. A program gathers its batches by index in a loop of its own, so that nothing
returns to Python between the steps. What differs from run to run (values, order, learning rates, data)
is an argument, so that runs of the same shape share one compiled program.
"""

import itertools
import time
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from brnn.manager import QuantManager

EVALUATION_BATCH = 1000


class NonFiniteError(ValueError):
    """The loss, a weight or the optimizer's state became infinite or not a number."""


class Program:
    """A discretized net with its optimizer and its loss, compiled.

    `loss(labels, outputs)` gives one value per label. `compiled` chooses XLA, else TensorFlow's graph mode.
    """

    def __init__(self, manager: QuantManager, optimizer: keras.optimizers.Optimizer, loss: Callable, compiled: bool):
        self.manager = manager
        self.optimizer = optimizer
        self.loss = loss
        self.compiled = compiled
        optimizer.build(manager.model.trainable_variables)
        self.epoch = tf.function(self._epoch, jit_compile=compiled)
        self.evaluate = tf.function(self._evaluate, jit_compile=compiled)

    @property
    def variables(self) -> list:
        """All that training changes: weights, statistics, the optimizer's state and the seeds of dropout."""
        return [*self.manager.model.variables, *self.optimizer.variables]

    def state(self) -> list[np.ndarray]:
        """The values of `variables`."""
        return [np.array(variable.numpy()) for variable in self.variables]

    def restore(self, state: list[np.ndarray]) -> None:
        """Sets `variables` to values that `state` gave."""
        for variable, value in zip(self.variables, state, strict=True):
            variable.assign(value)

    def _epoch(self, x, y, batches, rates, seed):
        """Trains on the rows of `x` and `y` that `batches` (steps, batch) lists, at `rates` (steps,).

        `seed`, two integers, decides what the stochastic quantizers draw. Returns the mean loss, the share of
        correct labels, and whether all values are finite.
        """
        model = self.manager.model
        total, correct = tf.zeros(()), tf.zeros(())
        for step in tf.range(tf.shape(batches)[0]):
            self.optimizer.learning_rate.assign(rates[step])
            features, labels = tf.gather(x, batches[step]), tf.gather(y, batches[step])
            levels = self.manager.levels(self._noise(seed, step))
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(levels)
                outputs, state, penalties = model.stateless_call(
                    levels, model.non_trainable_variables, features, training=True, return_losses=True
                )
                loss = tf.reduce_mean(self.loss(labels, outputs))
                objective = tf.add_n([loss, *penalties])
            self.optimizer.apply(tape.gradient(objective, levels), model.trainable_variables)
            self.manager.clip()
            for variable, value in zip(model.non_trainable_variables, state, strict=True):
                variable.assign(value)
            total += loss
            correct += tf.reduce_mean(_correct(labels, outputs))
        steps = tf.cast(tf.shape(batches)[0], tf.float32)
        return total / steps, correct / steps, self._finite(total)

    def _evaluate(self, x, y, batches):
        """The mean loss and the share of correct labels over the rows that `batches` lists, -1 for none."""
        model = self.manager.model
        levels = self.manager.levels()
        state = [tf.convert_to_tensor(variable) for variable in model.non_trainable_variables]
        total, correct, count = tf.zeros(()), tf.zeros(()), tf.zeros(())
        for step in tf.range(tf.shape(batches)[0]):
            rows = batches[step]
            weight = tf.cast(rows >= 0, tf.float32)
            features, labels = tf.gather(x, tf.maximum(rows, 0)), tf.gather(y, tf.maximum(rows, 0))
            outputs, state = model.stateless_call(levels, state, features, training=False)
            total += tf.reduce_sum(weight * _per_row(self.loss(labels, outputs)))
            correct += tf.reduce_sum(weight * _per_row(_correct(labels, outputs)))
            count += tf.reduce_sum(weight)
        return total / count, correct / count

    def _noise(self, seed, step):
        """Uniform values that depend on the seed, the step and how many were drawn before in the step."""
        draws = itertools.count()

        def noise(shape):
            key = tf.random.fold_in(tf.random.fold_in(seed, step), next(draws))
            return tf.random.stateless_uniform(shape, key, alg="threefry" if self.compiled else "auto_select")

        return noise

    def _finite(self, loss):
        values = [*self.manager.model.variables, *self.optimizer.variables]
        floats = [v for v in map(tf.convert_to_tensor, values) if v.dtype.is_floating]
        return tf.reduce_all([tf.reduce_all(tf.math.is_finite(v)) for v in [loss, *floats]])


def fit(
    program: Program, data, *, epochs: int, batch_size: int, rates: Callable, seed: int, start: int = 0
) -> Iterator[dict[str, float]]:
    """Trains from epoch `start` to `epochs`, and yields the metrics of each.

    `data` has pairs of arrays `train`, `validation` and `test`; `rates(steps, total)` gives the learning
    rate of each step. Every epoch goes once through a permutation of the training rows, drawn from the
    seed and the epoch's number; rows that fill no batch are left out. Raises `NonFiniteError`.
    """
    on_device = {split: tuple(map(tf.constant, getattr(data, split))) for split in ("train", "validation", "test")}
    rows = len(data.train[0])
    steps = rows // batch_size
    for epoch in range(start, epochs):
        order = np.random.default_rng([seed, epoch]).permutation(rows)[: steps * batch_size]
        batches = tf.constant(order.reshape(steps, batch_size).astype("int32"))
        numbers = np.arange(epoch * steps, (epoch + 1) * steps)
        learning_rates = rates(numbers, epochs * steps).astype("float32")
        began = time.perf_counter()
        loss, accuracy, finite = program.epoch(
            *on_device["train"], batches, tf.constant(learning_rates), tf.constant([seed, epoch])
        )
        metrics = {"train/loss": float(loss), "train/accuracy": float(accuracy)}
        seconds = time.perf_counter() - began
        if not finite:
            raise NonFiniteError(
                f"epoch {epoch + 1}: the loss is {float(loss)}, and it or a weight is not finite;"
                f" try a lower optimizer.learning_rate (now {learning_rates[-1]:.3g})"
            )
        for split in ("validation", "test"):
            metrics |= {f"{split}/{name}": v for name, v in score(program, *on_device[split]).items()}
        yield metrics | {
            "train/images_per_second": steps * batch_size / seconds,
            "train/seconds": seconds,
            "train/learning_rate": float(learning_rates[-1]),
        }


def score(program: Program, x, y) -> dict[str, float]:
    """The loss and the accuracy of the discretized net over all rows; empty where there are none."""
    if not len(x):
        return {}
    loss, accuracy = program.evaluate(x, y, tf.constant(chunks(len(x), EVALUATION_BATCH)))
    return {"loss": float(loss), "accuracy": float(accuracy)}


def chunks(rows: int, size: int) -> np.ndarray:
    """The numbers from 0 to `rows` - 1 in rows of `size` at most, the last filled up with -1."""
    size = min(size, rows)
    filled = np.full(-(-rows // size) * size, -1, "int32")
    filled[:rows] = np.arange(rows)
    return filled.reshape(-1, size)


def _correct(labels, outputs):
    return tf.cast(tf.argmax(outputs, -1, labels.dtype) == labels, tf.float32)


def _per_row(values):
    """Mean of `values` over all axes but the first."""
    return tf.reduce_mean(tf.reshape(values, (tf.shape(values)[0], -1)), axis=1)
