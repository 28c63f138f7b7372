"""Training and evaluation: steps are a loop in one compiled program, and an epoch yields a dict of metrics.

The data stay on the device. The program gathers its batches by index, and returns to Python about once a second.
What differs from run to run (values, order, learning rates, data) is an argument, so that runs of the same shape
share one compiled program.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from brnn import measures, tasks
from brnn.distribution import ALONE, Replicas
from brnn.manager import QuantManager

EVALUATION_BATCH = 2500
PIECE = 1.0  # seconds of training after which Python may show progress, or stop
DRAWS = 1 << 16  # that a step may make


class NonFiniteError(ValueError):
    """The loss, a weight or the optimizer's state became infinite or not a number."""


class Program:
    """A discretized net with its optimizer and its loss, compiled.

    `loss(labels, outputs)` gives one value per label, `regime` is a function of `brnn.regimes`, and `compiled`
    chooses XLA, else TensorFlow's graph mode. `replicas` share each batch; where they are several, XLA compiles what
    each does in a step.
    """

    def __init__(
        self,
        manager: QuantManager,
        optimizer: keras.optimizers.Optimizer,
        loss: Callable,
        regime: Callable,
        compiled: bool,
        replicas: Replicas = ALONE,
    ):
        self.manager = manager
        self.optimizer = optimizer
        self.loss = loss
        self.regime = regime
        self.compiled = compiled
        self.replicas = replicas
        optimizer.build(manager.model.trainable_variables)
        self.train = tf.function(self._train, jit_compile=compiled and replicas.number == 1, autograph=False)
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

    def zeros(self, y, batch: int) -> tuple:
        """The sums of the metrics, and the carried state for `batch` rows, before the first step of an epoch."""
        names = ["loss"] if y.dtype.is_floating else ["loss", "accuracy"]
        return {name: tf.constant(0.0) for name in names}, self.manager.initial_state(batch)

    def _train(self, x, y, batches, rates, seed, first, stop, so_far):
        """Trains the steps from `first` to `stop` of an epoch, which goes on from `so_far`.

        A step takes the rows of `x` and `y` that `batches` (steps, batch) lists, at its rate in `rates` (steps,).
        `seed`, two integers, decides what the stochastic quantizers draw. A state that the net carries goes on from
        step to step, and no gradient through it. Returns the sums over the steps of the metrics with that state,
        and whether all values are finite.
        """

        def step(number, sums, state):
            self.optimizer.learning_rate.assign(rates[number])
            rows = batches[number]
            values, state = self._step(tf.gather(x, rows), tf.gather(y, rows), state, seed, number)
            return number + 1, {name: sums[name] + value for name, value in values.items()}, state

        _, sums, state = tf.while_loop(lambda number, *_: number < stop, step, (first, *so_far))
        return (sums, state), self._finite(sums["loss"])

    def _step(self, x, y, carried, seed, number):
        """One step on a batch: gradients are taken at the levels, and applied to the latent weights."""
        model = self.manager.model
        shared = [model.trainable_variables, model.non_trainable_variables, seed, number]
        (gradients, values, state), after = self.replicas.average(
            self._gradients, self.compiled, shared, [x, y, carried]
        )
        self.optimizer.apply(gradients, model.trainable_variables)
        self.manager.clip()
        for variable, value in zip(model.non_trainable_variables, state, strict=True):
            variable.assign(value)
        return values, after

    def _gradients(self, latent, fixed, seed, number, x, y, carried, place):
        """The gradients at the levels, the metrics and the state of the net, and the carried state, of one replica.

        All replicas draw the same levels; what else they draw depends on their `place`.
        """
        model, x = self.manager.model, tasks.pixels(x)
        draws = itertools.count()
        levels = self.manager.levels(self._noise(seed, number, draws), latent)
        noise = self._noise(seed, number, (place * DRAWS + draw for draw in draws))
        fixed = self._moved(fixed, place)

        def call(x):
            outputs, state, penalties = model.stateless_call(
                levels, fixed, _inputs(x, carried), training=True, return_losses=True
            )
            outputs, after = _split(outputs, carried)
            return outputs, (state, penalties, after)

        def net(x):
            constant = [tf.stop_gradient(level) for level in levels]
            outputs = model.stateless_call(constant, fixed, _inputs(x, carried), training=False)[0]
            return _split(outputs, carried)[0]

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(levels)
            loss, outputs, (state, penalties, after) = self.regime(call, net, self.loss, x, y, noise)
            objective = tf.add_n([loss, *penalties])
        values = {name: tf.reduce_mean(value) for name, value in self._values(y, outputs).items()} | {"loss": loss}
        return (tape.gradient(objective, levels), values, self._moved(state, -place)), after

    def _moved(self, state, place):
        """The values of the net's state, with the seeds of dropout moved by `place`."""
        seeds = [v.path.endswith("seed_generator_state") for v in self.manager.model.non_trainable_variables]
        return [v + tf.cast(place, v.dtype) * DRAWS if seed else v for v, seed in zip(state, seeds, strict=True)]

    def _evaluate(self, x, y, carried):
        """The metrics of each row of a batch, and the state after it."""
        outputs, carried = _split(self.manager(_inputs(tasks.pixels(x), carried)), carried)
        return {name: _per_row(value) for name, value in self._values(y, outputs).items()}, carried

    def _values(self, y, outputs):
        """The loss of each label and, of classes, whether it is the largest output."""
        loss = {"loss": self.loss(y, outputs)}
        if y.dtype.is_floating:
            return loss
        return loss | {"accuracy": tf.cast(tf.argmax(outputs, -1, y.dtype) == y, tf.float32)}

    def _noise(self, seed, step, draws):
        """Uniform values that depend on the seed, the step and the next number in `draws`."""

        def noise(shape):
            key = tf.random.fold_in(tf.random.fold_in(seed, step), next(draws))
            return tf.random.stateless_uniform(shape, key, alg="threefry" if self.compiled else "auto_select")

        return noise

    def _finite(self, loss):
        values = [*self.manager.model.variables, *self.optimizer.variables]
        floats = [v for v in map(tf.convert_to_tensor, values) if v.dtype.is_floating]
        return tf.reduce_all([tf.reduce_all(tf.math.is_finite(v)) for v in [loss, *floats]])


def silent(what, share: float) -> None:
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
    tell: Callable[[int, float], None] = silent,
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
        batches = _order(program, steps * batch_size, batch_size, np.random.default_rng([seed, epoch]), len(x))
        batches = program.replicas.share(batches)
        learning_rates = rates(np.arange(epoch * steps, (epoch + 1) * steps), epochs * steps).astype("float32")
        arguments = [x, y, *map(tf.constant, (batches, learning_rates, [seed, epoch]))]
        so_far = program.zeros(y, batches.shape[1])
        radii = measures.spectral_radii(program.manager)
        began = time.perf_counter()
        with program.replicas.together():
            _compile(program.train, *arguments, *map(tf.constant, (0, 0)), so_far)
            compiled = began_piece = time.perf_counter()
            done, stop = 0, 1 if program.replicas.workers == 1 else steps  # several workers keep in step
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
    return {name: float(np.concatenate([one[name] for one in batches])[places].mean()) for name in batches[0]}


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
    except (tf.errors.OutOfRangeError, tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError) as error:
        kept = os.environ.get("TF_XLA_FLAGS", "").partition("persistent_cache_directory=")[2]
        if not kept:
            raise
        raise OSError(f"{error.message}; if this is for what XLA keeps compiled, remove {kept}") from error


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


def _inputs(x, carried):
    return [x, *carried] if carried else x


def _split(outputs, carried):
    """The logits, and the state after them if one is carried."""
    return (outputs[0], outputs[1:]) if carried else (outputs, carried)


def _per_row(values):
    """Mean of `values` over all axes but the first."""
    return tf.reduce_mean(tf.reshape(values, (values.shape[0], -1)), axis=1)
