"""Programs from a configuration, with their initial weights."""

import json
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import asdict

import keras
import numpy as np

from brnn.config.groups import function
from brnn.nets.models import build_model
from brnn.nets.task import Task
from brnn.quantization.manager import QuantManager
from brnn.training.lending import Lending
from brnn.training.loop import fit, no_progress
from brnn.training.optimizers import optimizer
from brnn.training.program import Program
from brnn.training.replicas import ALONE, Replicas

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
    graph["optimizer"] = {
        key: value for key, value in options["optimizer"].items() if key != "learning_rate"
    }
    lease = _programs(json.dumps([graph, asdict(task)]), replicas)
    program = copy(lease.lent)
    program.manager = copy(program.manager)
    program.manager.lease = lease
    program.restore(_initial(options, task))
    return program


def epochs(
    program: Program,
    options: dict,
    data,
    start: int = 0,
    tell: Callable[[int, float], None] = no_progress,
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


def _initial(options, task):
    """The state of a new program: Keras' own initial values, and the initializers' for what is discretized."""
    keras.utils.set_random_seed(options["seed"])
    new = _program(options, task, ALONE)
    kernels, biases = (
        function(group, options[group], options["plugins"])
        for group in ("initializer", "bias_initializer")
    )
    manager = new.manager
    for number, (variable, rule) in enumerate(
        zip(manager.model.trainable_variables, manager.rules, strict=True)
    ):
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
    model = build_model(options, task, options["estimator"], replace_real=False)
    precision = function("precision", options["precision"], options["plugins"])()
    manager = QuantManager(model, precision.rules)
    loss = function("loss", options["loss"], options["plugins"])
    regime = function("training", options["training"], options["plugins"])
    return Program(
        manager, optimizer(options["optimizer"]), loss, regime, options["compiled"], replicas
    )
