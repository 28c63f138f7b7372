"""Programs from a configuration, with their initial weights."""

import json
from collections.abc import Iterator
from copy import copy
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from brnn.config.annealing import END, annealed_keys
from brnn.config.groups import function, option
from brnn.contracts import ByStep, Regime
from brnn.data.dataset import Data
from brnn.errors import ConfigError
from brnn.nets.models import build_model, effective
from brnn.nets.task import Task
from brnn.quantization.manager import QuantManager
from brnn.quantization.model_layers import activations_of
from brnn.training.augment import augmentation
from brnn.training.distill import distillation
from brnn.training.lending import Lending
from brnn.training.loop import OnShare, fit, no_progress
from brnn.training.optimizers import BOPS, optimizer
from brnn.training.program import Program
from brnn.training.replicas import ONE_DEVICE, Replicas
from brnn.training.starts import NEW, Start, Teacher, Weight, initial_values, take_learned
from brnn.training.trial import forms
from brnn.training.updates import Updates, kernel_shapes

GRAPH_KEYS = (  # keys that shape the graph; the others only change values
    "precision",
    "estimator",
    "topology",
    "training",
    "augmentation",
    "loss",
    "optimizer",
    "compiled",
    "compute",
    "plugins",
)
KEPT = 4  # compiled programs


def program(
    options: dict[str, Any], task: Task, replicas: Replicas = ONE_DEVICE, start: Start = NEW
) -> Program:
    """Return the compiled program of a net, with the initial values that seed and start give.

    Its variables are its own as long as it or its manager is referenced; a later program of the
    same graph, whatever its seed, learning rate and schedule, reuses them and what was compiled.

    Args:
        options: a checked configuration.
        task: the inputs and outputs of the net.
        replicas: they share each batch.
        start: what other runs give to the training.

    Raises:
        ConfigError: Keras refuses the optimizer, an option does not fit the task, or the weights of
            the start are of another net.
    """
    graph = {key: options[key] for key in GRAPH_KEYS}
    graph["optimizer"] = {
        key: value for key, value in options["optimizer"].items() if key != "learning_rate"
    }
    if start.teacher:
        graph["distillation"] = options["distillation"]
    lease = _programs(json.dumps([graph, asdict(task)]), replicas, start.teacher)
    program = copy(lease.value)
    program.manager = copy(program.manager)
    program.manager.lease = lease
    program.restore(_initial_state(options, task, start.weights))
    return program


def epochs(
    program: Program,
    options: dict[str, Any],
    data: Data,
    start: int = 0,
    on_progress: OnShare = no_progress,
) -> Iterator[dict[str, float]]:
    """Train a net as its configuration states, and yield the metrics of each epoch.

    Args:
        program: the net.
        options: a checked configuration.
        data: arrays of each split.
        start: the first epoch, where a run continues.
        on_progress: as in `brnn.training.loop.fit`.
    """
    return fit(
        program,
        data,
        epochs=options["epochs"],
        batch_size=options["batch_size"],
        by_step=by_step_of(options, program.manager),
        seed=options["seed"],
        start=start,
        on_progress=on_progress,
    )


def by_step_of(options: dict[str, Any], manager: QuantManager) -> ByStep:
    """Return what a configuration lets change from step to step of the training of a net."""
    schedule = function("schedule", options["schedule"], options["plugins"])
    rate = options["optimizer"]["learning_rate"]
    keys = annealed_keys(effective(options).get("estimator", {}))
    progression = function("progression", options["progression"], options["plugins"])
    layers = {"weights": len(manager.layers), "activations": len(activations_of(manager.model))}
    if options["progression"]["name"] == "none":
        layers = {}

    def by_step(steps: np.ndarray, total: int) -> dict[str, np.ndarray]:
        return {
            "train/learning_rate": rate * schedule(steps, total),
            **{f"annealed/{key}": _annealed(given, steps, total) for key, given in keys.items()},
            **{
                f"discretized/{part}": progression(steps, total, count, part)
                for part, count in layers.items()
                if count
            },
        }

    return by_step


def _annealed(given: dict[str, Any], steps: np.ndarray, total: int) -> np.ndarray:
    """Return the values of an annealed key at some steps; see `brnn.config.annealing`."""
    over = given.get("steps") or total
    shape = option("schedule", given["schedule"]) | {END: given["to"] / given["from"]}
    return given["from"] * function("schedule", shape, [])(np.minimum(steps, over), over)


def _initial_state(
    options: dict[str, Any], task: Task, weights: list[Weight] | None
) -> list[np.ndarray]:
    """Return a new program's state: the weights of another net, if there are any.

    Else they are Keras' initial values, and of discretized weights those of the options.
    """
    with (
        tf.Graph().as_default()
    ):  # without TensorFlow's own seed, which clears what it has compiled
        keras.utils.set_random_seed(options["seed"])
    new = _new_program(options, task, ONE_DEVICE, None)
    manager = new.manager
    if weights is None:
        _initialize(manager, options)
    else:
        manager.model.set_weights(initial_values(weights, manager))
        take_learned(weights, manager)
    for average, variable in zip(manager.averages, manager.trained, strict=False):  # or none
        average.assign(variable)
    return new.state()


def _initialize(manager: QuantManager, options: dict[str, Any]) -> None:
    """Set the discretized weights to the values of the initializers."""
    kernels, biases = (
        function(group, options[group], options["plugins"])
        for group in ("initializer", "bias_initializer")
    )
    for number, (variable, rule, shape) in enumerate(
        zip(manager.model.trainable_variables, manager.rules, manager.shapes, strict=True)
    ):
        if rule is not None:
            initializer = biases if rule.role == "bias" else kernels
            rng = np.random.default_rng([options["seed"], number])
            values = initializer(shape, rule.bound or 1.0, rng)
            variable.assign(values.reshape(variable.shape))


def _program_of_graph(graph: str, replicas: Replicas, teacher: Teacher | None) -> Program:
    """Return a new program from the JSON of its options and its task."""
    options, task = json.loads(graph)
    return _new_program(options, Task(**task | {"shape": tuple(task["shape"])}), replicas, teacher)


_programs = Lending(_program_of_graph, KEPT)


def _new_program(
    options: dict[str, Any], task: Task, replicas: Replicas, teacher: Teacher | None
) -> Program:
    model = build_model(options, task, options["estimator"], replace_real=False)
    precision = function("precision", options["precision"], options["plugins"])()
    manager = QuantManager(model, precision.rules)
    rules = zip(model.trainable_variables, manager.rules, strict=True)
    latent = [variable for variable, rule in rules if rule is not None]
    paths = {variable.path for variable in latent}
    real = [variable for variable in manager.trained if variable.path not in paths]
    keys = options["optimizer"]
    if keys["name"] in BOPS:
        _check_signs(manager, keys["name"].lower(), options["precision"]["name"])
    loss = function("loss", options["loss"], options["plugins"])
    regime: Regime = function("training", options["training"], options["plugins"])
    if teacher:
        regime = distillation(regime, teacher.model, **options["distillation"])
    regime = augmentation(regime, **options["augmentation"])
    return Program(
        manager,
        optimizer(keys, latent, real),
        loss,
        regime,
        options["compiled"],
        replicas,
        forms(options["compute"]),
        Updates(keys["averaging"], kernel_shapes(manager) if keys["centralized"] else ()),
    )


def _check_signs(manager: QuantManager, optimizer: str, precision: str) -> None:
    """Refuse levels that are not signs, which a Bop cannot flip.

    Raises:
        ConfigError: a quantizer has other levels, or nothing is discretized.
    """
    grid = np.linspace(-1, 1, 9, dtype="float32")[:, None]
    quantizers = [rule.quantizer for rule in manager.rules if rule]
    levels = [np.asarray(quantizer(grid, None)) for quantizer in quantizers]
    noisy = [np.asarray(quantizer(grid, _largest_noise)) for quantizer in quantizers]
    distinct = map(np.unique, levels)
    are_signs = all(len(values) == 2 and values.sum() == 0 for values in distinct)
    if not levels or not are_signs or not all(map(np.array_equal, levels, noisy)):
        raise ConfigError(
            f"optimizer={optimizer} needs weights of two levels ±s that are not drawn, such as"
            f" precision=binarynet, got precision={precision}"
        )


def _largest_noise(shape: Any) -> np.ndarray:
    return np.full(shape, np.nextafter(np.float32(1), np.float32(0)))
