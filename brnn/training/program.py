"""A discretized net with its optimizer and loss, as compiled training and evaluation steps."""

import itertools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from brnn.data.pixels import to_pixels
from brnn.quantization.manager import QuantManager
from brnn.training.replicas import ALONE, Replicas

DRAWS = 1 << 16  # that a step may make


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
        self.train = tf.function(
            self._train, jit_compile=compiled and replicas.number == 1, autograph=False
        )
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
        model, x = self.manager.model, to_pixels(x)
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
            loss, outputs, (state, penalties, after) = self.regime(
                call, net, self.loss, x, y, noise
            )
            objective = tf.add_n([loss, *penalties])
        values = {
            name: tf.reduce_mean(value) for name, value in self._values(y, outputs).items()
        } | {"loss": loss}
        return (tape.gradient(objective, levels), values, self._moved(state, -place)), after

    def _moved(self, state, place):
        """The values of the net's state, with the seeds of dropout moved by `place`."""
        seeds = [
            v.path.endswith("seed_generator_state")
            for v in self.manager.model.non_trainable_variables
        ]
        return [
            v + tf.cast(place, v.dtype) * DRAWS if seed else v
            for v, seed in zip(state, seeds, strict=True)
        ]

    def _evaluate(self, x, y, carried):
        """The metrics of each row of a batch, and the state after it."""
        outputs, carried = _split(self.manager(_inputs(to_pixels(x), carried)), carried)
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
            return tf.random.stateless_uniform(
                shape, key, alg="threefry" if self.compiled else "auto_select"
            )

        return noise

    def _finite(self, loss):
        values = [*self.manager.model.variables, *self.optimizer.variables]
        floats = [v for v in map(tf.convert_to_tensor, values) if v.dtype.is_floating]
        return tf.reduce_all([tf.reduce_all(tf.math.is_finite(v)) for v in [loss, *floats]])


def _inputs(x, carried):
    return [x, *carried] if carried else x


def _split(outputs, carried):
    """The logits, and the state after them if one is carried."""
    return (outputs[0], outputs[1:]) if carried else (outputs, carried)


def _per_row(values):
    """Mean of `values` over all axes but the first."""
    return tf.reduce_mean(tf.reshape(values, (values.shape[0], -1)), axis=1)
