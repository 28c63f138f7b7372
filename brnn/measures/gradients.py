"""How much of the gradient the estimators of a net pass."""

from collections.abc import Callable, Iterator
from functools import partial

import keras
import numpy as np
from keras import ops

from brnn.quantization.layers import QuantActivation, recorded
from brnn.quantization.manager import QuantManager


def gradient_shares(manager: QuantManager, x: np.ndarray) -> dict[str, float]:
    """For each quantized activation, also in cells, the share of its inputs at which its estimator passes a gradient.

    The inputs are those of the discretized net on `x`; of a cell at all steps, from a state of zeros.
    """
    shares = {}
    for one, inputs in _entering(manager, x):
        passed = one.estimator(inputs, ops.ones_like(inputs), one.fan_in) != 0
        shares.setdefault(one.name, []).append(float(ops.mean(ops.cast(passed, "float32"))))
    return {f"gradient_share/{name}": float(np.mean(values)) for name, values in shares.items()}


def _entering(manager, x) -> Iterator[tuple]:
    """The quantized activations of the discretized net on `x`, with the input of each call.

    The inputs are tensors of the model, or of the cell of a recurrent layer, taken step by step.
    """
    model = manager.model
    measured = [one for one in model.layers if _activates(one) or _activates(_activation(one))]
    if not measured:
        return
    levels = dict(zip(map(id, model.trainable_variables), manager.levels(), strict=True))

    def call(layer, *inputs, **keys):
        trainable = [levels[id(variable)] for variable in layer.trainable_variables]
        return layer.stateless_call(trainable, layer.non_trainable_variables, *inputs, **keys)[0]

    entering = keras.Model(model.inputs, {one.name: one.input for one in measured}, name="entering")
    tensors = call(entering, [x, *manager.initial_state(len(x))], training=False)
    for one in measured:
        if _activates(one):
            yield one, tensors[one.name]
        else:
            yield from _entering_cell(one, partial(call, one.cell), tensors[one.name])


def _entering_cell(layer, cell: Callable, inputs) -> Iterator[tuple]:
    """The quantized activations in a recurrent layer's cell, with their inputs, step by step.

    `cell(x, states)` gives outputs and new states; `inputs` are a sequence, or a list of it and
    the initial states.
    """
    x, *states = inputs if isinstance(inputs, list) else [inputs]
    states = states or layer.get_initial_state(len(x))
    for number in range(x.shape[1]):
        (_, states), calls = recorded(cell, x[:, number], states)
        yield from calls


def _activation(layer):
    """The activation of the cell of a recurrent layer, None for other layers."""
    return getattr(getattr(layer, "cell", None), "activation", None)


def _activates(layer) -> bool:
    return isinstance(layer, QuantActivation)
