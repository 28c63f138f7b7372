"""The share of the gradient that the estimators of a net pass."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from brnn.contracts import Array
from brnn.quantization.layers import QuantActivation, record_calls
from brnn.quantization.manager import QuantManager


def gradient_shares(manager: QuantManager, x: np.ndarray) -> dict[str, float]:
    """Return the share of the inputs of each quantized activation at which a gradient passes.

    The inputs are those of the discretized net on `x`; in a recurrent cell at all steps, from a
    state of zeros.

    Args:
        manager: of the net.
        x: inputs (n, *d).

    Metrics:
        gradient_share/{activation} (share): inputs of a quantized activation at which its estimator
            passes a gradient that is not 0
    """
    shares: dict[str, list[float]] = {}
    for activation, inputs in _activation_inputs(manager, x):
        gradient = activation.estimator(inputs, ops.ones_like(inputs), activation.fan_in)
        share = float(ops.mean(ops.cast(gradient != 0, "float32")))
        shares.setdefault(activation.name, []).append(share)
    return {f"gradient_share/{name}": float(np.mean(values)) for name, values in shares.items()}


def _activation_inputs(
    manager: QuantManager, x: np.ndarray
) -> Iterator[tuple[QuantActivation, Array]]:
    """Yield each quantized activation with its input, once per call of it on `x`."""
    model = manager.model
    layers = [layer for layer in model.layers if isinstance(_activation(layer), QuantActivation)]
    if not layers:
        return
    levels = dict(zip(map(id, model.trainable_variables), manager.levels(), strict=True))

    def call(layer: keras.layers.Layer, *inputs: Any, **kwargs: Any) -> Any:
        trainable = [levels[id(variable)] for variable in layer.trainable_variables]
        return layer.stateless_call(trainable, layer.non_trainable_variables, *inputs, **kwargs)[0]

    probe = keras.Model(model.inputs, {layer.name: layer.input for layer in layers}, name="probe")
    tensors = call(probe, [x, *manager.initial_state(len(x))], training=False)
    for layer in layers:
        if isinstance(layer, QuantActivation):
            yield layer, tensors[layer.name]
        else:
            yield from _cell_inputs(layer, partial(call, layer.cell), tensors[layer.name])


def _cell_inputs(
    layer: keras.layers.RNN, cell: Callable[..., Any], inputs: Any
) -> Iterator[tuple[QuantActivation, Array]]:
    """Yield the quantized activations of a cell with their inputs, step by step.

    Args:
        layer: a recurrent layer.
        cell: its cell: x (n, features) and states to outputs and new states.
        inputs: a sequence (n, steps, features), or a list of it and the initial states.
    """
    x, *states = inputs if isinstance(inputs, list) else [inputs]
    states = states or layer.get_initial_state(len(x))
    for step in range(x.shape[1]):
        (_, states), calls = record_calls(cell, x[:, step], states)
        yield from calls


def _activation(layer: keras.layers.Layer) -> Any:
    """Return the activation of the cell of a recurrent layer, else the layer itself."""
    return getattr(getattr(layer, "cell", None), "activation", layer)
