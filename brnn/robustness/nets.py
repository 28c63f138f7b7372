"""The nets that an attack sees: the discretized one with any backward pass, and surrogates."""

import json
from collections.abc import Callable
from functools import cache, cached_property

import tensorflow as tf

from brnn.errors import ConfigError
from brnn.nets import models
from brnn.nets.task import Task, task_of
from brnn.training import build
from brnn.training.lending import Lending

KEPT = 32  # nets with what was compiled for them
SHAPES = ("precision", "estimator", "topology", "plugins")  # the groups that shape a net


class Net:
    """A Keras model under attack, which counts the images that it is asked about."""

    def __init__(self, model):
        self.model = model
        self.asked = tf.Variable(0, dtype=tf.int64, trainable=False)

    def __call__(self, x, training=False):
        """The logits; in evaluation, whatever `training` is."""
        self.asked.assign_add(tf.cast(tf.shape(x)[0], tf.int64))
        return self.model(x, training=False)


def _of_shape(options: str, task: Task, estimator: str, source: str | None) -> Net:
    return Net(models.untrained_model(json.loads(options), task, estimator))


_nets = Lending(_of_shape, KEPT)


class Nets:
    """The discretized net with any backward pass, and the surrogates that an attack may look through instead.

    `weights` are those of the discretized net; `load(run)` gives the configuration and the weights of another run.
    `tell(what, share)` hears what attacks them, and which share of the images is through.
    """

    def __init__(
        self, options: dict, data, weights: list, load: Callable, tell: Callable[[str, float], None]
    ):
        self.options = options
        self.data = data
        self.weights = weights
        self.load = cache(load)
        self.tell = tell
        self._leases = {}

    def through(self, estimator: str, source: str | None = None) -> Net:
        """The net with the backward pass of an estimator; of a surrogate, if `source` is not None.

        It has these weights as long as `self` is referenced; a later `Nets` of this shape reuses
        it and what was compiled for it.
        """
        key = (estimator, source)
        if key not in self._leases:
            self._leases[key] = self._leased(*key)
        return self._leases[key].value

    def _leased(self, estimator, source):
        options, weights = self.options, self.weights
        if source is not None:
            options, weights = self._twin if source == "twin" else self.load(source)
        task = task_of(self.data)
        shape = json.dumps({key: options[key] for key in SHAPES})
        lease = _nets(shape, task, estimator, source)
        try:
            lease.value.model.set_weights(weights)
        except ValueError as error:
            raise ConfigError(
                f"attack.source={source} does not fit inputs of {task.shape}: {error}"
            ) from error
        return lease

    @cached_property
    def _twin(self):
        """The same net in full precision, trained for as many epochs: its configuration and weights."""
        if self.options["precision"]["name"] == "full":
            return self.options, self.weights
        options = self.options | {"precision": {"name": "full"}}
        program = build.program(options, task_of(self.data))
        for epoch, _ in enumerate(build.epochs(program, options, self.data), 1):
            self.tell("trains its twin", epoch / options["epochs"])
        return options, program.manager.weights()
