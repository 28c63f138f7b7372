"""Models from a configuration: for training, for attacks, and for export."""

import itertools
from dataclasses import replace

import keras

from brnn.config.groups import function, option
from brnn.nets.task import Task
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager


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
    return build_model(options, task, backward, replace_real=not trained)


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
    return QuantManager(
        model, ()
    ).discretized()  # without the quantized activations that a topology has of its own


def build_model(options, task, estimator, replace_real):
    plugins = options["plugins"]
    quantizer = function("precision", options["precision"], plugins)().activation
    backward = function("estimator", estimator, plugins)
    numbers = itertools.count()

    def activate(name, fan_in):
        if quantizer is None and not replace_real:
            return keras.layers.Activation(name)
        return QuantActivation(
            quantizer or _real(name), backward, fan_in, name=f"activation_{next(numbers)}"
        )

    return function("topology", options["topology"], plugins)(task, activate)


def _real(name):
    real = keras.activations.get(name)
    return lambda x, noise: real(x)
