"""A discretized net with its optimizer and loss, as compiled steps of training and evaluation.

Shapes: x (rows, *d), y (rows,) or, per step of a sequence, (rows, steps); in regression y has a
last axis. `batches` (steps, batch) holds the row numbers of each training step. A recurrent state
is a list of tensors (batch, width), empty where the net carries none from batch to batch.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from brnn.contracts import Array, Loss, Noise, Regime
from brnn.data.pixels import to_pixels
from brnn.quantization.annealing import step_values
from brnn.quantization.manager import QuantManager
from brnn.training.chain import Chain
from brnn.training.checks import check_model, check_optimizer, per_label
from brnn.training.modes import mode
from brnn.training.noise import uniform
from brnn.training.penalties import regularized, with_penalties
from brnn.training.replicas import ONE_DEVICE, Replicas
from brnn.training.trial import FLOAT32, Forms
from brnn.training.updates import NONE, Updates

DRAWS = 1 << 16  # upper limit of a replica's random draws in one step

Sums = tuple[dict[str, Array], list[Array]]  # of each metric over steps, and the recurrent state


class Program:
    """A discretized net with its optimizer and its loss, compiled.

    Args:
        manager: the net and its rules.
        optimizer: changes the latent weights; its learning rate is set at each step.
        loss: one value per label, or a loss object of Keras.
        regime: the images and loss of a training step, such as `brnn.training.regimes.standard`.
        compiled: whether XLA compiles the steps, else TensorFlow's graph mode runs them; `auto`
            for the faster of the two: see `brnn.training.modes.mode`.
        replicas: they share each batch. Where there are several, XLA compiles what each does in a
            step, else the loop over the steps.
        forms: how products of levels are computed.
        updates: what a step does besides the optimizer.

    Raises:
        ConfigError: the model has several inputs or outputs that are no recurrent states, or the
            optimizer averages weights or has a schedule.
    """

    def __init__(
        self,
        manager: QuantManager,
        optimizer: keras.optimizers.Optimizer,
        loss: Loss | keras.losses.Loss,
        regime: Regime,
        compiled: bool | Literal["auto"],
        replicas: Replicas = ONE_DEVICE,
        forms: Forms = FLOAT32,
        updates: Updates = NONE,
    ):
        check_model(manager.model)
        check_optimizer(optimizer)
        self.manager = manager
        self.optimizer = optimizer
        self.loss = per_label(loss)
        self.regime = regime
        self.compiled, self.clustered = mode(compiled, manager.model)
        self.replicas = replicas
        evaluated, trained = (forms.evaluation, forms.convolution), ("float32", "float32")
        if self.clustered:
            trained = (forms.attack, forms.convolution)
        elif self.compiled:
            trained = (forms.training, "float32")
        self.evaluated = Chain(manager, *evaluated, self.compiled or self.clustered)
        self.net = Chain(manager, *trained, self.clustered, training=True)
        self.forms = replace(forms, training=trained[0])
        self.updates = updates
        manager.averages = updates.averages(manager.trained)
        optimizer.build(manager.trained)
        self.train = tf.function(
            self._train, jit_compile=self.compiled and replicas.count == 1, autograph=False
        )
        in_xla = self.compiled and not self.evaluated.graph_only
        self.test = tf.function(self._test, jit_compile=in_xla, autograph=False)

    @property
    def variables(self) -> list:
        """All that training changes: weights, statistics, optimizer state and seeds of dropout."""
        others = [*self.manager.arguments, *self.manager.averages]
        return [*self.manager.model.variables, *others, *self.optimizer.variables]

    def state(self) -> list[np.ndarray]:
        """Return the values of `variables`."""
        return [np.array(variable.numpy()) for variable in self.variables]

    def restore(self, state: list[np.ndarray]) -> None:
        """Set `variables` to the values that `state` returned.

        Raises:
            ValueError: they are of another net.
        """
        for variable, value in zip(self.variables, state, strict=True):
            variable.assign(value)

    def zeros(self, y: Array, batch: int) -> Sums:
        """Return the sums of metrics and the recurrent state before the first step of an epoch."""
        names = ["loss"] if y.dtype.is_floating else ["loss", "accuracy"]
        return {name: tf.constant(0.0) for name in names}, self.manager.initial_state(batch)

    def _train(
        self,
        x: Array,
        y: Array,
        batches: Array,
        table: dict[str, Array],
        seed: Array,
        first: Array,
        stop: Array,
        sums: Sums,
    ) -> tuple[Sums, Array]:
        """Train the steps from `first` to `stop` - 1 of an epoch.

        Args:
            x: all inputs of the training split.
            y: their labels.
            batches: row numbers (steps, batch) of all steps of the epoch.
            table: values of each step (steps, …); see `brnn.contracts.ByStep`.
            seed: two integers that decide every random draw.
            first: a step, from 0.
            stop: the step after the last one.
            sums: those of the earlier steps of the epoch. The recurrent state goes from step to
                step, and no gradient through it.

        Returns:
            The sums with those of these steps, and whether all values are finite.
        """

        def step(number, totals, recurrent_state):
            values = {name: column[number] for name, column in table.items()}
            self.optimizer.learning_rate.assign(values["train/learning_rate"])
            rows = batches[number]
            metrics, recurrent_state = self._step(
                tf.gather(x, rows),
                tf.gather(y, rows),
                recurrent_state,
                tf.random.fold_in(seed, number),
                values,
            )
            totals = {name: totals[name] + value for name, value in metrics.items()}
            return number + 1, totals, recurrent_state

        _, totals, recurrent_state = tf.while_loop(
            lambda number, *_: number < stop, step, (first, *sums)
        )
        return (totals, recurrent_state), self._is_finite(totals["loss"])

    def _step(
        self, x: Array, y: Array, recurrent_state: list, seed: Array, values: dict[str, Array]
    ) -> tuple[dict[str, Array], list]:
        """Train on one batch: take gradients at the levels, apply them to the latent weights."""
        model = self.manager.model
        shared = [self.manager.trained, model.non_trainable_variables, seed, values]
        (gradients, metrics, updates), recurrent_state = self.replicas.average(
            self._gradients, self.compiled, shared, [x, y, recurrent_state]
        )
        gradients = self.updates.before(gradients)
        with tf.control_dependencies([g for g in gradients if g is not None]):  # reads come first
            tf.function(self._update, jit_compile=self.clustered, autograph=False)(gradients)
        for variable, value in zip(model.non_trainable_variables, updates, strict=True):
            variable.assign(value)
        return metrics, recurrent_state

    def _update(self, gradients: list) -> None:
        """Apply gradients to the latent weights, and what follows the optimizer."""
        self.optimizer.apply(gradients, self.manager.trained)
        self.manager.clip()
        self.updates.after(self.manager.averages, self.manager.trained)

    def _gradients(
        self,
        latent: list,
        fixed: list,
        seed: Array,
        values: dict[str, Array],
        x: Array,
        y: Array,
        recurrent_state: list,
        replica: Array,
    ) -> tuple[tuple, list]:
        """Compute one replica's part of a step.

        All replicas draw the same levels; their other draws depend on `replica`.

        Args:
            latent: the latent weights, and the learned arguments of quantizers.
            fixed: the values of the variables that have no gradient.
            seed: two integers, of this step.
            values: those of the step.
            x: the replica's rows of the batch.
            y: their labels.
            recurrent_state: its rows of the recurrent state.
            replica: its index.

        Returns:
            The gradients of the loss at the levels, plus those of the regularizers of weights at
            the latent weights, then those at the learned arguments; the mean metrics and the new
            values of `fixed`; and the recurrent state after the batch.
        """
        model, pixels = self.manager.model, x.dtype == tf.uint8
        x = clean = to_pixels(x)
        draws = itertools.count()
        of_weights = regularized(model)
        noise = self._noise(seed, (replica * DRAWS + draw for draw in draws))
        fixed = self._shift_seeds(fixed, replica)

        def call(x):
            whole = pixels and x is clean  # else an attack or an augmentation made it
            outputs, updates, penalties = self.net.stateless_call(
                levels, fixed, x, recurrent_state, pixels=pixels, training=True, whole=whole
            )
            outputs, next_state = _split(outputs, recurrent_state)
            of_layers = penalties[: len(penalties) - len(of_weights)]  # those of weights are last
            return outputs, (updates, of_layers, next_state)

        def net(x):
            constant = [tf.stop_gradient(level) for level in levels]
            outputs, _, _ = self.net.stateless_call(
                constant, fixed, x, recurrent_state, pixels=pixels, training=False
            )
            return _split(outputs, recurrent_state)[0]

        with step_values(values | {"noise": noise}):
            count = len(model.trainable_variables)
            learned = [tf.convert_to_tensor(value) for value in latent[count:]]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(learned)
                levels = self.manager.levels(self._noise(seed, draws), [*latent[:count], *learned])
                tape.watch(levels)
                loss, outputs, (updates, penalties, next_state) = self.regime(
                    call, net, self.loss, x, y, noise
                )
                objective = tf.add_n([loss, *penalties])
            of_levels, of_learned = tape.gradient(objective, [levels, learned])
        of_latent = self.manager.at_latent(of_levels, levels)
        gradients = [*with_penalties(of_latent, model, latent[:count]), *of_learned]
        metrics = {
            name: tf.reduce_mean(value) for name, value in self._metrics(y, outputs).items()
        } | {"loss": loss}
        updates = self._shift_seeds(updates, -replica)
        return (gradients, metrics, updates), next_state

    def _shift_seeds(self, values: list, replica: Array) -> list:
        """Return the values of variables without gradient, dropout's seeds moved by `replica`."""
        is_seed = [
            v.path.endswith("seed_generator_state")
            for v in self.manager.model.non_trainable_variables
        ]
        return [
            v + tf.cast(replica, v.dtype) * DRAWS if seed else v
            for v, seed in zip(values, is_seed, strict=True)
        ]

    def _test(self, x: Array, y: Array, recurrent_state: list) -> tuple[dict[str, Array], list]:
        """Return each metric per row, (rows,), and the recurrent state after the batch."""
        levels = tf.function(self.manager.levels, jit_compile=self.compiled, autograph=False)()
        fixed, pixels = self.manager.model.non_trainable_variables, x.dtype == tf.uint8
        outputs, _, _ = self.evaluated.stateless_call(
            levels, fixed, x, recurrent_state, pixels=pixels, training=False
        )
        outputs, recurrent_state = _split(outputs, recurrent_state)
        values = {n: tf.reshape(v, (v.shape[0], -1)) for n, v in self._metrics(y, outputs).items()}
        metrics = {name: tf.reduce_mean(value, axis=1) for name, value in values.items()}
        return metrics, recurrent_state

    def _metrics(self, y: Array, outputs: Array) -> dict[str, Array]:
        """Return the loss of each label and, of classes, 1 where the largest output is right."""
        loss = {"loss": self.loss(y, outputs)}
        if y.dtype.is_floating:
            return loss
        return loss | {"accuracy": tf.cast(tf.argmax(outputs, -1, y.dtype) == y, tf.float32)}

    def _noise(self, seed: Array, draws: Iterator) -> Noise:
        """Return a source of uniform values from the seed of a step and the next of `draws`."""
        return lambda shape: uniform(shape, tf.random.fold_in(seed, next(draws)))

    def _is_finite(self, loss: Array) -> Array:
        """Return whether the loss and all floats of the state are finite, as one boolean."""
        floats = [v for v in map(tf.convert_to_tensor, self.variables) if v.dtype.is_floating]
        return tf.reduce_all([tf.reduce_all(tf.math.is_finite(v)) for v in [loss, *floats]])


def _split(outputs: Array, recurrent_state: list) -> tuple[Array, list]:
    """Return the logits, and the recurrent state after them if the net has one."""
    return (outputs[0], outputs[1:]) if recurrent_state else (outputs, recurrent_state)
