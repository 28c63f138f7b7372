"""The frame of every recurrent topology: layers of cells, then a dense layer of logits.

Shapes: tokens (n, steps), read one-hot, or real values (n, steps, features); states (n, width);
logits (n, classes), after the last step, or (n, steps, classes), as the task states. Sequences may
have any number of steps.
"""

from collections.abc import Callable

import keras
from keras import ops

from brnn.contracts import Activate, Array
from brnn.errors import ConfigError
from brnn.nets.inputs import normalized
from brnn.nets.task import Task

MakeCell = Callable[[int, int], keras.layers.Layer]
"""`make_cell(inputs, nonzero)`: the cell for a number of inputs, `nonzero` of which are not 0."""


def stack(
    task: Task, depth: int, real_last: bool, make_cell: MakeCell, *, logits_scale: float = 1.0
) -> keras.Model:
    """Return a net of `depth` recurrent layers and a dense layer.

    Where the state is carried, the net maps [x, *states] to [logits, *states], and a stream starts
    from states of zeros; else it maps x to logits.

    Args:
        task: the inputs and outputs of the net.
        depth: number of recurrent layers.
        real_last: keep the output layer real-valued.
        make_cell: called once per layer. One-hot inputs have a single entry that is not 0.
        logits_scale: factor on the logits.

    Raises:
        ConfigError: inputs are not sequences.
    """
    if len(task.shape) != (1 if task.tokens else 2):
        raise ConfigError(
            "a recurrent topology reads tokens, or inputs of shape (steps, features), got"
            f" {task.shape}: use a dense one"
        )
    x = inputs = keras.Input((None, *task.shape[1:]), dtype="int32" if task.tokens else "float32")
    x = ops.one_hot(x, task.classes) if task.tokens else normalized(task, x)
    states: list[Array] = []
    next_states: list[Array] = []
    for index in range(depth):
        width = x.shape[-1]
        layer = keras.layers.RNN(
            make_cell(width, 1 if task.tokens and index == 0 else width),
            return_sequences=task.per_step or index < depth - 1,
            return_state=task.carried,
            name=f"recurrent_{index}",
        )
        if task.carried:
            initial = [keras.Input(state.shape[1:]) for state in layer.get_initial_state(1)]
            x, *final = layer(x, initial_state=initial)
            states, next_states = states + initial, next_states + final
        else:
            x = layer(x)
    x = keras.layers.Dense(task.classes, name="real_logits" if real_last else "logits")(x)
    if logits_scale != 1.0:
        x = keras.layers.Rescaling(logits_scale)(x)
    if not task.carried:
        return keras.Model(inputs, x)
    return keras.Model([inputs, *states], [x, *next_states])


def state_activation(
    activate: Activate, name: str, quantized: bool, width: int, inputs: int
) -> str | keras.layers.Layer:
    """Return the activation of a cell's new state, in a form that Keras can save.

    Args:
        activate: returns the hidden activation of the precision.
        name: of the real-valued activation.
        quantized: whether `activate` applies to the state, else it is real-valued.
        width: number of units of the cell.
        inputs: number of inputs of the cell; the fan-in is this plus `width`.
    """
    activation = activate(name, inputs + width) if quantized else None
    if activation is None or isinstance(activation, keras.layers.Activation):
        return name
    if isinstance(activation, keras.layers.Layer):
        return activation
    state = keras.Input((width,))  # Keras saves a model of operations, but no plain function
    return keras.Model(state, activation(state))
