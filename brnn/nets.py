"""Nets from a configuration: topology, precision and estimator put together, with their initial weights.

`options` is a checked configuration, `task` what its data ask for.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import asdict, replace

import keras
import numpy as np

from brnn.config import ConfigError, function, option
from brnn.distribution import ALONE, Replicas
from brnn.layers import QuantActivation
from brnn.lending import Lending
from brnn.manager import QuantManager
from brnn.tasks import Task
from brnn.training import Program, fit, silent

GRAPH = (
    "precision",
    "estimator",
    "topology",
    "training",
    "loss",
    "optimizer",
    "compiled",
    "plugins",
)  # what shapes a program
KEPT = 4  # compiled programs


def program(options: dict, task: Task, replicas: Replicas = ALONE) -> Program:
    """The compiled program of a net, with the initial values that its seed gives.

    Its variables are its own as long as it or its manager is referenced; a later program of the
    same graph, whatever its seed, learning rate and schedule, reuses them and what was compiled.
    """
    graph = {key: options[key] for key in GRAPH}
    graph["optimizer"] = {key: value for key, value in options["optimizer"].items() if key != "learning_rate"}
    lease = _programs(json.dumps([graph, asdict(task)]), replicas)
    program = copy(lease.lent)
    program.manager = copy(program.manager)
    program.manager.lease = lease
    program.restore(_initial(options, task))
    return program


def epochs(
    program: Program, options: dict, data, start: int = 0, tell: Callable[[int, float], None] = silent
) -> Iterator[dict[str, float]]:
    """Trains a net as its configuration says, from epoch `start`, and yields the metrics of each epoch.

    `tell` is that of `brnn.training.fit`.
    """
    schedule, rate = (
        function("schedule", options["schedule"], options["plugins"]),
        options["optimizer"]["learning_rate"],
    )
    return fit(
        program,
        data,
        epochs=options["epochs"],
        batch_size=options["batch_size"],
        rates=lambda steps, total: rate * schedule(steps, total),
        seed=options["seed"],
        start=start,
        tell=tell,
    )


def twin(options: dict, task: Task, estimator: str, weights: list) -> keras.Model:
    """A net with given weights and another estimator in its backward pass, as of `blank`."""
    model = blank(options, task, estimator)
    model.set_weights(weights)
    return model


def blank(options: dict, task: Task, estimator: str) -> keras.Model:
    """A net that waits for its weights, with another estimator in its backward pass.

    `estimator` is the name of an option, which then also replaces the derivative of real hidden activations, or
    `trained`, for the backward pass of training.
    """
    trained = estimator == "trained"
    backward = options["estimator"] if trained else option("estimator", estimator)
    return _model(options, task, backward, replace_real=not trained)


def plain(options: dict, task: Task, weights: list) -> keras.Model:
    """The net with given weights as a model of Keras' layers and cells, from inputs alone to outputs alone.

    It starts from a state of zeros, and goes through sequences of any length.
    """
    quantizer = function("precision", options["precision"], options["plugins"])().activation

    def activate(name, fan_in):
        return keras.layers.Activation(name) if quantizer is None else lambda x: quantizer(x, None)

    topology = function("topology", options["topology"], options["plugins"])
    model = topology(replace(task, carried=False), activate)
    model.set_weights(weights)
    return QuantManager(model, ()).discretized()  # without the quantized activations that a topology has of its own


def _initial(options, task):
    """The state of a new program: Keras' own initial values, and the initializers' for what is discretized."""
    keras.utils.set_random_seed(options["seed"])
    new = _program(options, task, ALONE)
    kernels, biases = (
        function(group, options[group], options["plugins"]) for group in ("initializer", "bias_initializer")
    )
    manager = new.manager
    for number, (variable, rule) in enumerate(zip(manager.model.trainable_variables, manager.rules, strict=True)):
        if rule is not None:
            initializer = biases if rule.role == "bias" else kernels
            rng = np.random.default_rng([options["seed"], number])
            variable.assign(initializer(variable.shape, rule.bound or 1.0, rng))
    return new.state()


def _of_graph(graph: str, replicas: Replicas) -> Program:
    options, task = json.loads(graph)
    return _program(options, Task(**task | {"shape": tuple(task["shape"])}), replicas)


_programs = Lending(_of_graph, KEPT)


def _program(options, task, replicas):
    model = _model(options, task, options["estimator"], replace_real=False)
    precision = function("precision", options["precision"], options["plugins"])()
    manager = QuantManager(model, precision.rules)
    loss = function("loss", options["loss"], options["plugins"])
    regime = function("training", options["training"], options["plugins"])
    return Program(manager, _optimizer(options["optimizer"]), loss, regime, options["compiled"], replicas)


def _model(options, task, estimator, replace_real):
    plugins = options["plugins"]
    quantizer = function("precision", options["precision"], plugins)().activation
    backward = function("estimator", estimator, plugins)
    numbers = itertools.count()

    def activate(name, fan_in):
        if quantizer is None and not replace_real:
            return keras.layers.Activation(name)
        return QuantActivation(quantizer or _real(name), backward, fan_in, name=f"activation_{next(numbers)}")

    return function("topology", options["topology"], plugins)(task, activate)


def _real(name):
    real = keras.activations.get(name)
    return lambda x, noise: real(x)


def _optimizer(keys):
    keys = {key: value for key, value in keys.items() if key != "learning_rate"}  # which each step sets
    name = keys.pop("name")
    optimizer = getattr(keras.optimizers, name, None)
    if not (isinstance(optimizer, type) and issubclass(optimizer, keras.optimizers.Optimizer)):
        raise ConfigError(f"optimizer.name must be a class of keras.optimizers, such as Adam, got {name!r}")
    try:
        return optimizer(**keys)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer={name} does not take {keys}: {error}") from error
