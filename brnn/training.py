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

    `loss(labels, outputs)` gives one value per label, `regime` is a function of `brnn.regimes`, and `compiled`
    chooses XLA, else TensorFlow's graph mode.
    """

    def __init__(
        self,
        manager: QuantManager,
        optimizer: keras.optimizers.Optimizer,
        loss: Callable,
        regime: Callable,
        compiled: bool,
    ):
        self.manager = manager
        self.optimizer = optimizer
        self.loss = loss
        self.regime = regime
        self.compiled = compiled
        optimizer.build(manager.model.trainable_variables)
        self.epoch = tf.function(self._epoch, jit_compile=compiled, autograph=False)
        self.evaluate = tf.function(self._evaluate, jit_compile=compiled, autograph=False)

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

    def _epoch(self, x, y, batches, rates, seed, steps):
        """Trains `steps` steps on the rows of `x` and `y` that `batches` (steps, batch) lists, at `rates` (steps,).

        `seed`, two integers, decides what the stochastic quantizers draw. Returns the sums over the steps of the
        loss and of the share of correct labels, and whether all values are finite.
        """

        def step(number, total, correct):
            self.optimizer.learning_rate.assign(rates[number])
            rows = batches[number]
            loss, right = self._step(tf.gather(x, rows), tf.gather(y, rows), self._noise(seed, number))
            return number + 1, total + loss, correct + right

        _, total, correct = tf.while_loop(lambda number, *_: number < steps, step, (0, 0.0, 0.0))
        return total, correct, self._finite(total)

    def _step(self, x, y, noise):
        """One step on a batch: gradients are taken at the levels, and applied to the latent weights."""
        model = self.manager.model
        levels = self.manager.levels(noise)

        def call(x):
            outputs, *rest = model.stateless_call(
                levels, model.non_trainable_variables, x, training=True, return_losses=True
            )
            return outputs, rest

        def net(x):
            fixed = [tf.stop_gradient(level) for level in levels]
            return model.stateless_call(fixed, model.non_trainable_variables, x, training=False)[0]

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(levels)
            loss, outputs, (state, penalties) = self.regime(call, net, self.loss, x, y, noise)
            objective = tf.add_n([loss, *penalties])
        self.optimizer.apply(tape.gradient(objective, levels), model.trainable_variables)
        self.manager.clip()
        for variable, value in zip(model.non_trainable_variables, state, strict=True):
            variable.assign(value)
        return loss, tf.reduce_mean(_correct(y, outputs))

    def _evaluate(self, x, y):
        """The loss and the share of correct labels of each row of a batch."""
        outputs = self.manager(x)
        return _per_row(self.loss(y, outputs)), _per_row(_correct(y, outputs))

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
    x, y = map(tf.constant, data.train)
    steps = len(x) // batch_size
    for epoch in range(start, epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(x))[: steps * batch_size]
        batches = order.reshape(steps, batch_size).astype("int32")
        learning_rates = rates(np.arange(epoch * steps, (epoch + 1) * steps), epochs * steps).astype("float32")
        arguments = [x, y, *map(tf.constant, (batches, learning_rates, [seed, epoch]))]
        began = time.perf_counter()
        program.epoch(*arguments, tf.constant(0))  # compiles
        compiled = time.perf_counter()
        loss, correct, finite = program.epoch(*arguments, tf.constant(steps))
        metrics = {"train/loss": float(loss) / steps, "train/accuracy": float(correct) / steps}
        seconds = time.perf_counter() - compiled
        if not finite:
            raise NonFiniteError(
                f"epoch {epoch + 1}: the loss is {metrics['train/loss']}, and it or a weight is not finite;"
                f" try a lower optimizer.learning_rate (now {learning_rates[-1]:.3g})"
            )
        for split in ("validation", "test"):
            metrics |= {f"{split}/{name}": v for name, v in score(program, *getattr(data, split)).items()}
        yield metrics | {
            "train/images_per_second": steps * batch_size / seconds,
            "train/learning_rate": float(learning_rates[-1]),
            "time/compile": compiled - began,
            "time/training": seconds,
            "time/evaluation": time.perf_counter() - compiled - seconds,
        }


def score(program: Program, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The loss and the accuracy of the discretized net over all rows; empty where there are none."""
    if not len(x):
        return {}
    batches = [program.evaluate(x[rows], y[rows]) for rows in chunks(len(x), EVALUATION_BATCH)]
    names = ("loss", "accuracy")
    return {
        name: float(np.concatenate(rows)[: len(x)].mean())
        for name, rows in zip(names, zip(*batches, strict=True), strict=True)
    }


def chunks(rows: int, size: int) -> np.ndarray:
    """The numbers from 0 to `rows` - 1 in rows of `size` at most; the last is filled up with zeros."""
    size = min(size, rows)
    filled = np.zeros(-(-rows // size) * size, "int32")
    filled[:rows] = np.arange(rows)
    return filled.reshape(-1, size)


def _correct(labels, outputs):
    return tf.cast(tf.argmax(outputs, -1, labels.dtype) == labels, tf.float32)


def _per_row(values):
    """Mean of `values` over all axes but the first."""
    return tf.reduce_mean(tf.reshape(values, (values.shape[0], -1)), axis=1)
