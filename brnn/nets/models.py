"""Keras models from a configuration, in the forms that training, attacks and export need."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from brnn.config.groups import function, label, option
from brnn.contracts import Array, Noise, Quantizer
from brnn.errors import ConfigError
from brnn.nets.inputs import NAME
from brnn.nets.task import Task
from brnn.quantization.annealing import estimator_of
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager


def build_model(
    options: dict[str, Any], task: Task, estimator: dict[str, Any], *, replace_real: bool
) -> keras.Model:
    """Return the untrained model of a configuration.

    Args:
        options: a checked configuration.
        task: the inputs and outputs of the model.
        estimator: the option of the backward pass of quantized activations.
        replace_real: whether `estimator` also replaces the derivative of real-valued activations.

    Raises:
        ConfigError: the topology cannot read the inputs, ignores their normalization, or does not
            return a model with an output for each class.
    """
    quantizer = _activation_quantizer(options)
    backward = estimator_of(estimator, options["plugins"])
    numbers = itertools.count()

    def activate(name: str, fan_in: int) -> keras.layers.Layer:
        if quantizer is None and not replace_real:
            return keras.layers.Activation(name)
        forward = quantizer or _unquantized(name)
        number = next(numbers)
        return QuantActivation(forward, backward, fan_in, number, name=f"activation_{number}")

    model = function("topology", options["topology"], options["plugins"])(task, activate)
    _check_outputs(model, task, f"topology.name={options['topology']['name']}")
    if task.normalization and not any(layer.name == NAME for layer in model.layers):
        raise ConfigError(
            f"topology={label(options['topology'])} ignores dataset.normalization: set it to none,"
            " or let the topology read brnn.nets.inputs.normalized(task, inputs)"
        )
    return model


def untrained_model(options: dict[str, Any], task: Task, estimator: str) -> keras.Model:
    """Return the model of a configuration, untrained, with a backward pass of choice.

    Args:
        options: a checked configuration.
        task: the inputs and outputs of the model.
        estimator: `trained` for the backward pass of training; else an option of the group
            `estimator`, which then also replaces the derivative of real-valued activations.
    """
    trained = estimator == "trained"
    backward = options["estimator"] if trained else option("estimator", estimator)
    return build_model(options, task, backward, replace_real=not trained)


def is_trained_by(options: dict[str, Any], estimator: str) -> bool:
    """Return whether `untrained_model` is the same for an estimator and for `trained`."""
    quantized = _activation_quantizer(options) is not None
    return (
        quantized
        and estimator != "trained"
        and option("estimator", estimator) == options["estimator"]
    )


def model_with_weights(
    options: dict[str, Any], task: Task, estimator: str, weights: list[np.ndarray]
) -> keras.Model:
    """Return `untrained_model` with given weights, in the order of `model.weights`."""
    model = untrained_model(options, task, estimator)
    model.set_weights(weights)
    return model


def plain_model(options: dict[str, Any], task: Task, weights: list[np.ndarray]) -> keras.Model:
    """Return the net as a model of ordinary Keras layers, which can be saved and has no estimator.

    A recurrent net takes sequences of any length, starts from a state of zeros, and returns no
    state, whatever `task.carried`.

    Args:
        options: a checked configuration.
        task: the inputs and outputs of the model.
        weights: discretized, in the order of `model.weights`.
    """
    quantizer = _activation_quantizer(options)

    def activate(name: str, fan_in: int) -> Callable[[Array], Array]:
        return keras.layers.Activation(name) if quantizer is None else lambda x: quantizer(x, None)

    topology = function("topology", options["topology"], options["plugins"])
    model = topology(replace(task, carried=False), activate)
    model.set_weights(weights)
    return QuantManager(model, ()).discretized()  # replaces the quantized input of a topology


def effective(options: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without its estimator where that has no effect on the training.

    An estimator is the backward pass of discretized activations, which not every precision has.
    """
    if _activation_quantizer(options) is not None:
        return options
    return {key: value for key, value in options.items() if key != "estimator"}


def has_convolutions(model: keras.Model) -> bool:
    """Return whether a layer of a model, or of a model inside it, is a convolution."""
    kinds = (
        keras.layers.Conv1D,
        keras.layers.Conv2D,
        keras.layers.Conv3D,
        keras.layers.DepthwiseConv1D,
        keras.layers.DepthwiseConv2D,
    )
    return any(
        isinstance(layer, kinds) or has_convolutions(layer)
        for layer in getattr(model, "layers", ())
    )


def _check_outputs(model: Any, task: Task, topology: str) -> None:
    if not isinstance(model, keras.Model):
        raise ConfigError(f"{topology} must return a keras.Model, got {type(model).__name__}")
    outputs = getattr(model, "outputs", None)  # a model that is no graph has none yet
    if outputs and outputs[0].shape[-1] != task.classes:
        raise ConfigError(
            f"{topology} must have outputs of width {task.classes} (task.classes), got"
            f" {outputs[0].shape[-1]}"
        )


def _activation_quantizer(options: dict[str, Any]) -> Quantizer | None:
    return function("precision", options["precision"], options["plugins"])().activation


def _unquantized(name: str) -> Quantizer:
    activation = keras.activations.get(name)

    def forward(x: Array, noise: Noise | None) -> Array:
        return activation(x)

    return forward
