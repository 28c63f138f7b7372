"""Recurrent topologies: nets that read a sequence step by step.

To add one, take or write a cell (`brnn.nets.cells`), copy `rnn` with that cell, and write
`conf/topology/<name>.yaml` with the function's name and a value for each keyword. The keywords that
all topologies share:

    width: units of each recurrent layer.
    depth: number of recurrent layers.
    activation: name in Keras of the activation of the new state, where none is quantized.
    quantized_state: apply the quantized activation of the precision to the new state too.
    real_last: keep the output layer real-valued.

In the formulas x is the input of a step, h the state before it and h' the state after it.
"""

import math
from functools import partial

import keras

from brnn.config.ranges import Count
from brnn.contracts import Activate
from brnn.errors import ConfigError
from brnn.nets.cells import ClockworkCell, MUT1Cell, MUT2Cell, ScaledGRUCell
from brnn.nets.stack import stack, state_activation
from brnn.nets.task import Task


def rnn(
    task: Task,
    activate: Activate,
    *,
    width: Count,
    depth: Count,
    activation: str,
    quantized_state: bool,
    real_last: bool,
) -> keras.Model:
    """Return a net of simple recurrent layers: h' = activation(W x + U h + b).

    References:
        Elman 1990, "Finding Structure in Time".
    """
    new_state = partial(state_activation, activate, activation, quantized_state, width)

    def cell(inputs: int, nonzero: int) -> keras.layers.Layer:
        return keras.layers.SimpleRNNCell(width, activation=new_state(inputs), name="cell")

    return stack(task, depth, real_last, cell)


def gru(
    task: Task,
    activate: Activate,
    *,
    width: Count,
    depth: Count,
    activation: str,
    quantized_state: bool,
    real_last: bool,
) -> keras.Model:
    """Return a net of gated recurrent units, whose reset gate is applied after U h, as in Keras.

    References:
        Cho et al. 2014, arXiv:1406.1078.
    """
    new_state = partial(state_activation, activate, activation, quantized_state, width)

    def cell(inputs: int, nonzero: int) -> keras.layers.Layer:
        return keras.layers.GRUCell(width, activation=new_state(inputs), name="cell")

    return stack(task, depth, real_last, cell)


def lstm(
    task: Task,
    activate: Activate,
    *,
    width: Count,
    depth: Count,
    activation: str,
    quantized_state: bool,
    real_last: bool,
) -> keras.Model:
    """Return a net of long short-term memory.

    The activation is that of the candidate and of the output.

    References:
        Hochreiter and Schmidhuber 1997, "Long Short-Term Memory".
    """
    new_state = partial(state_activation, activate, activation, quantized_state, width)

    def cell(inputs: int, nonzero: int) -> keras.layers.Layer:
        return keras.layers.LSTMCell(width, activation=new_state(inputs), name="cell")

    return stack(task, depth, real_last, cell)


def clockwork(
    task: Task,
    activate: Activate,
    *,
    width: Count,
    depth: Count,
    periods: list[Count],
    activation: str,
    quantized_state: bool,
    real_last: bool,
) -> keras.Model:
    """Return a net of simple recurrent layers whose modules update at different periods.

    Args:
        task: the inputs and outputs of the net.
        activate: returns the hidden activations.
        width: units of each recurrent layer, a multiple of the number of periods.
        depth: number of recurrent layers.
        periods: steps between two updates of each module, increasing; modules have equal widths.
        activation: of the new state, where none is quantized.
        quantized_state: apply the quantized activation of the precision to the new state too.
        real_last: keep the output layer real-valued.

    Raises:
        ConfigError: `width` is not a multiple of the number of periods, or periods do not increase.

    References:
        Koutnik, Greff, Gomez and Schmidhuber 2014, arXiv:1402.3511.
    """
    if width % len(periods or [1]):
        raise ConfigError(
            f"topology.width must be a multiple of {len(periods)}, the number of topology.periods,"
            f" got {width}"
        )
    new_state = partial(state_activation, activate, activation, quantized_state, width)

    def cell(inputs: int, nonzero: int) -> keras.layers.Layer:
        return ClockworkCell(width, periods, activation=new_state(inputs), name="cell")

    return stack(task, depth, real_last, cell)


def mut1(
    task: Task,
    activate: Activate,
    *,
    width: Count,
    depth: Count,
    activation: str,
    quantized_state: bool,
    real_last: bool,
) -> keras.Model:
    """Return a net of gated layers found by search, whose candidate adds tanh(x).

    References:
        Jozefowicz, Zaremba and Sutskever 2015, "An Empirical Exploration of Recurrent Network
        Architectures".
    """
    new_state = partial(state_activation, activate, activation, quantized_state, width)

    def cell(inputs: int, nonzero: int) -> keras.layers.Layer:
        return MUT1Cell(width, activation=new_state(inputs), name="cell")

    return stack(task, depth, real_last, cell)


def mut2(
    task: Task,
    activate: Activate,
    *,
    width: Count,
    depth: Count,
    activation: str,
    quantized_state: bool,
    real_last: bool,
) -> keras.Model:
    """Return a net of gated layers found by search, whose reset gate adds x.

    References:
        Jozefowicz, Zaremba and Sutskever 2015, "An Empirical Exploration of Recurrent Network
        Architectures".
    """
    new_state = partial(state_activation, activate, activation, quantized_state, width)

    def cell(inputs: int, nonzero: int) -> keras.layers.Layer:
        return MUT2Cell(width, activation=new_state(inputs), name="cell")

    return stack(task, depth, real_last, cell)


def scaled_gru(
    task: Task,
    activate: Activate,
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
) -> keras.Model:
    """Return a net of gated recurrent units for weights of ±1, with sums scaled by powers of 2.

    W x is multiplied by 2^input_shift, U h by 2^recurrent_shift, b by 2^bias_shift and the logits
    by 2^output_shift. A sum of m products of size 1 has a size of about sqrt(m). A shift of None
    brings W x and the logits back to about 1 and U h to about 1/2, so that nothing saturates.

    References:
        Clark, Prabhu and Whaley 2017, "A Contextual Discretization framework for compressing
        Recurrent Neural Networks": shifts of -1, -3, 0 and 0.
    """
    normal = _normalizing_shift(width)
    new_state = partial(state_activation, activate, activation, quantized_state, width)

    def cell(inputs: int, nonzero: int) -> keras.layers.Layer:
        return ScaledGRUCell(
            width,
            input_shift=_normalizing_shift(nonzero) if input_shift is None else input_shift,
            recurrent_shift=normal - 1 if recurrent_shift is None else recurrent_shift,
            bias_shift=bias_shift,
            activation=new_state(inputs),
            name="cell",
        )

    logits_scale = 2.0 ** (normal if output_shift is None else output_shift)
    return stack(task, depth, real_last, cell, logits_scale=logits_scale)


def _normalizing_shift(m: int) -> int:
    """Return the power of 2 that brings a sum of m values of size 1 back to about 1."""
    return -round(math.log2(m) / 2)
