"""Recurrent topologies: layers that read a sequence step by step, then a dense layer of logits.

They share the contract of `brnn.topologies`. Whole numbers are read one-hot, real values as they are. The last
layer's state becomes logits at each step or after the last one, as the task says. Where the state is carried, the
model is `[x, *states] -> [logits, *states]`; a state is zeros at first. Sequences may have any length.
"""

import math
from collections.abc import Callable
from functools import partial

import keras
from keras import ops

from brnn.config.ranges import Count
from brnn.nets.cells import ClockworkCell, MUT1Cell, MUT2Cell, ScaledGRUCell


def rnn(
    task,
    activate,
    *,
    width: Count,
    depth: Count,
    activation: str,
    quantized_state: bool,
    real_last: bool,
):
    """Simple recurrent layers: h' = activation(W x + U h + b).

    Elman 1990.
    """
    cell = partial(_cell, keras.layers.SimpleRNNCell, width, activate, activation, quantized_state)
    return _net(task, depth, cell, real_last)


def gru(
    task,
    activate,
    *,
    width: Count,
    depth: Count,
    activation: str,
    quantized_state: bool,
    real_last: bool,
):
    """Gated recurrent layers, as Keras has them: the reset gate is applied after U h.

    Cho et al. 2014, arXiv:1406.1078.
    """
    cell = partial(_cell, keras.layers.GRUCell, width, activate, activation, quantized_state)
    return _net(task, depth, cell, real_last)


def lstm(
    task,
    activate,
    *,
    width: Count,
    depth: Count,
    activation: str,
    quantized_state: bool,
    real_last: bool,
):
    """Layers of long short-term memory; the activation is that of the candidate and of the output.

    Hochreiter and Schmidhuber 1997.
    """
    cell = partial(_cell, keras.layers.LSTMCell, width, activate, activation, quantized_state)
    return _net(task, depth, cell, real_last)


def clockwork(
    task,
    activate,
    *,
    width: Count,
    depth: Count,
    periods: list[Count],
    activation: str,
    quantized_state: bool,
    real_last: bool,
):
    """Simple recurrent layers cut into modules of equal size, which change only every so many steps.

    Koutnik, Greff, Gomez and Schmidhuber 2014, arXiv:1402.3511.
    """
    if width % len(periods or [1]):
        raise ValueError(
            f"topology.width must be a multiple of {len(periods)}, as many topology.periods, got {width}"
        )
    make = partial(ClockworkCell, periods=periods)
    return _net(
        task, depth, partial(_cell, make, width, activate, activation, quantized_state), real_last
    )


def mut1(
    task,
    activate,
    *,
    width: Count,
    depth: Count,
    activation: str,
    quantized_state: bool,
    real_last: bool,
):
    """Gated layers found by search, whose candidate hears the input as it is.

    Jozefowicz, Zaremba and Sutskever 2015, "An Empirical Exploration of Recurrent Network Architectures".
    """
    return _net(
        task,
        depth,
        partial(_cell, MUT1Cell, width, activate, activation, quantized_state),
        real_last,
    )


def mut2(
    task,
    activate,
    *,
    width: Count,
    depth: Count,
    activation: str,
    quantized_state: bool,
    real_last: bool,
):
    """Gated layers found by search, whose reset gate hears the input as it is.

    Jozefowicz, Zaremba and Sutskever 2015, "An Empirical Exploration of Recurrent Network Architectures".
    """
    return _net(
        task,
        depth,
        partial(_cell, MUT2Cell, width, activate, activation, quantized_state),
        real_last,
    )


def scaled_gru(
    task,
    activate,
    *,
    width: Count,
    depth: Count,
    input_shift: int | None,
    recurrent_shift: int | None,
    bias_shift: int,
    output_shift: int | None,
    activation: str,
    quantized_state: bool,
    real_last: bool,
):
    """Gated recurrent layers for weights of +-1: W x is multiplied by 2^input_shift, U h by 2^recurrent_shift, ...

    n products of size 1 add up to about sqrt(n). A shift of null takes that back to 1, that of U h to 1/2, so that
    neither gates nor logits saturate, whatever the width.

    Clark, Prabhu and Whaley 2017, whose shifts are -1 and -3, and none for biases and logits.
    """
    state = _to_one(width)

    def cell(fan_in, one_hot):
        make = partial(
            ScaledGRUCell,
            input_shift=_to_one(1 if one_hot else fan_in) if input_shift is None else input_shift,
            recurrent_shift=state - 1 if recurrent_shift is None else recurrent_shift,
            bias_shift=bias_shift,
        )
        return _cell(make, width, activate, activation, quantized_state, fan_in, one_hot)

    return _net(
        task, depth, cell, real_last, 2.0 ** (state if output_shift is None else output_shift)
    )


def _to_one(n: int) -> int:
    """The power of two that brings a sum of n values of size 1 back to about 1."""
    return -round(math.log2(n) / 2)


def _cell(make, width, activate, activation, quantized_state, fan_in, one_hot):
    """A cell of `width` that `make` makes, with its activation in a form in which it can be saved."""
    real = keras.layers.Activation(activation)
    chosen = activate(activation, fan_in + width) if quantized_state else real
    if not isinstance(
        chosen, keras.layers.Layer
    ):  # a plain function becomes a model of Keras operations
        inputs = keras.Input((width,))
        chosen = keras.Model(inputs, chosen(inputs))
    return make(
        width,
        activation=activation if isinstance(chosen, keras.layers.Activation) else chosen,
        name="cell",
    )


def _net(task, depth, cell: Callable, real_last, logits_scale=1.0):
    """`depth` recurrent layers of what `cell(fan_in, one_hot)` makes, and the logits."""
    if len(task.shape) != (1 if task.tokens else 2):
        raise ValueError(
            f"a recurrent topology reads tokens or inputs of (steps, features), got a shape of {task.shape}"
        )
    x = inputs = keras.Input((None, *task.shape[1:]), dtype="int32" if task.tokens else "float32")
    if task.tokens:
        x = ops.one_hot(x, task.classes)
    before, after = [], []
    for number in range(depth):
        layer = keras.layers.RNN(
            cell(x.shape[-1], task.tokens and number == 0),
            return_sequences=task.per_step or number < depth - 1,
            return_state=task.carried,
            name=f"recurrent_{number}",
        )
        if task.carried:
            states = [keras.Input(state.shape[1:]) for state in layer.get_initial_state(1)]
            x, *new = layer(x, initial_state=states)
            before, after = before + states, after + new
        else:
            x = layer(x)
    x = keras.layers.Dense(task.classes, name="real_logits" if real_last else "logits")(x)
    if logits_scale != 1.0:
        x = keras.layers.Rescaling(logits_scale)(x)
    return keras.Model([inputs, *before], [x, *after]) if task.carried else keras.Model(inputs, x)
