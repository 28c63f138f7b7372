"""The nets that an attack sees: the net under attack with any backward pass, and surrogates."""

import json
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from brnn.config import groups
from brnn.contracts import Array, OnProgress
from brnn.data.dataset import Data
from brnn.errors import ConfigError, TrackingError
from brnn.nets import models
from brnn.nets.task import Task, task_of
from brnn.quantization.manager import QuantManager
from brnn.training import build
from brnn.training.chain import Chain
from brnn.training.lending import Lease, Lending
from brnn.training.modes import mode
from brnn.training.trial import forms

KEPT = 32  # nets with what was compiled for them
SHAPES = (  # the keys that shape a net
    "precision",
    "estimator",
    "topology",
    "compiled",
    "compute",
    "plugins",
)


class Net:
    """A net under attack that counts its queries; it fulfils `brnn.contracts.Net`.

    Args:
        model: a Keras model, or any function of TensorFlow, from images (n, *d) to logits (n, C).
        logits: a faster function that computes what `model` does; None for `model` itself.
    """

    def __init__(
        self, model: Callable[[Array], Array], logits: Callable[[Array], Array] | None = None
    ):
        self.model = model
        self.logits = logits or model
        self.queries = tf.Variable(0, dtype=tf.int64, trainable=False)

    def __call__(self, x: Array, training: bool = False) -> Array:
        """Return the logits in evaluation, whatever `training` is."""
        self.queries.assign_add(tf.cast(tf.shape(x)[0], tf.int64))
        return self.logits(x)


class Nets(Protocol):
    """The net under attack in all its forms, and what else the evaluation of an attack needs.

    `seed` decides every random choice, `plugins` are packages whose attacks may be named with dots,
    `full_precision` is whether the net is its own twin, and `verdicts` is the file that keeps the
    verdicts of a solver between processes, if there is one.
    """

    seed: int
    plugins: list[str]
    full_precision: bool
    verdicts: Path | None
    on_progress: OnProgress

    def through(self, estimator: str, source: str | None = None) -> Net:
        """Return the net with a backward pass of choice, or a surrogate of it.

        Args:
            estimator: `trained` for the net's own, or an option of the group `estimator`.
            source: the surrogate: `twin` for the net in full precision, the id of a run, or a file;
                None for the net itself.

        Raises:
            ConfigError: there is no such form of this net.
        """


class RunNets:
    """The nets of a run.

    Args:
        options: a checked configuration.
        data: its data set, whose training rows train a twin.
        weights: those of the discretized net, in the order of `model.weights`.
        load: returns the configuration and the weights of another net, by the id of its run or the
            name of its file.
        on_progress: called while a twin trains or an attack runs.
        verdicts: the file that keeps the verdicts of a solver, if any.
    """

    def __init__(
        self,
        options: dict[str, Any],
        data: Data,
        weights: list[np.ndarray],
        load: Callable[[str], tuple[dict[str, Any], list[np.ndarray]]],
        on_progress: OnProgress,
        verdicts: Path | None = None,
    ):
        self.verdicts = verdicts
        self.options = options
        self.data = data
        self.weights = weights
        self.load = cache(load)
        self.on_progress = on_progress
        self.seed: int = options["seed"]
        self.plugins: list[str] = options["plugins"]
        self.full_precision: bool = options["precision"]["name"] == "full"
        self._leases: dict[tuple[str, str | None], Lease] = {}

    def through(self, estimator: str, source: str | None = None) -> Net:
        """Return the net with a backward pass of choice, or a surrogate; see `Nets`.

        It has these weights as long as `self` is referenced. Later nets of the same shape reuse it
        with what was compiled for it. The net's own backward pass is the same object by both names.
        """
        if source is None and models.is_trained_by(self.options, estimator):
            estimator = "trained"
        key = (estimator, source)
        if key not in self._leases:
            self._leases[key] = self._leased(*key)
        return self._leases[key].value

    def _leased(self, estimator: str, source: str | None) -> Lease:
        options, weights = self.options, self.weights
        if source is not None:
            options, weights = self._twin if source == "twin" else self._loaded(source)
        task = task_of(self.data)
        shape = json.dumps({key: options[key] for key in SHAPES})
        try:
            lease = _nets(shape, task, estimator, source, self.data.test[0].dtype == np.uint8)
            lease.value.model.set_weights(weights)
        except ValueError as error:
            if source is None:
                raise
            raise ConfigError(
                f"attack.source={source} does not fit inputs of {task.shape}: {error}"
            ) from error
        return lease

    def _loaded(self, source: str) -> tuple[dict[str, Any], list[np.ndarray]]:
        try:
            return self.load(source)
        except TrackingError as error:
            raise ConfigError(
                "attack.source must be null, twin, the id of a run with a net, or a file of one,"
                f" got {source}: {error}"
            ) from error

    @cached_property
    def _twin(self) -> tuple[dict[str, Any], list[np.ndarray]]:
        """The configuration and the weights of this net in full precision, trained as long."""
        if self.full_precision:
            return self.options, self.weights
        options = self.options | {"precision": {"name": "full"}}
        program = build.program(options, task_of(self.data))
        for epoch, _ in enumerate(build.epochs(program, options, self.data), 1):
            self.on_progress("training its twin", epoch / options["epochs"])
        return options, program.manager.weights()


def _of_shape(shape: str, task: Task, estimator: str, source: str | None, pixels: bool) -> Net:
    """Return a net computed as the keys `compiled` and `compute` state.

    It is traced once for all attacks and checks that call it.
    """
    options = json.loads(shape)
    model = models.untrained_model(options, task, estimator)
    precision = groups.function("precision", options["precision"], options["plugins"])()
    names, clustered = forms(options["compute"]), mode(options["compiled"], model).clustered
    manager = QuantManager(model, precision.rules)
    chain = Chain(manager, names.attack, names.convolution, clustered)
    images = tf.TensorSpec((None, *model.inputs[0].shape[1:]), model.inputs[0].dtype)
    return Net(model, tf.function(lambda x: chain(x, pixels), [images], autograph=False))


_nets = Lending(_of_shape, KEPT)
