"""Recurrent layers as C99: functions from the bits of a sequence to those of states.

The state before the first step is 0. Where 0 is a level of the states, these begin with its bits;
states of -1 and +1, which have no 0, count nothing at the first step.
"""

import numpy as np

from brnn.exchange.c_layers import Stage, call, set_bits, words
from brnn.exchange.c_source import table, words_of
from brnn.exchange.net import SIGN
from brnn.exchange.recurrence import Recurrence

FUNCTION = """
static void layer_{number}(const word *x, word *out)
{{
    word state[{count}] = {{{zero}}};
    for (size_t step = 0; step < {steps}; ++step) {{
        word patch[{patch}] = {{0}}, next[{count}] = {{0}};
        int32_t sums[{lanes}], past[{lanes}];
        for (size_t plane = 0; plane < {planes}; ++plane)
            copy_bits(patch + plane * {words}, 0, x + plane * {map_words},
                      step * {inputs}, {inputs});
        {of_inputs};
        {of_states};
        for (size_t j = 0; j < {lanes}; ++j)
            sums[j] = {distance} * sums[j] + {factor} * past[j];
{levels}{kept}        for (size_t i = 0; i < {count}; ++i)
            state[i] = next[i];
{written}    }}
{last}}}
"""
KEPT = """\
        if (step % {period} != 0)
            for (size_t i = 0; i < {count}; ++i) {{
                word old = {module}[i % {size}];
                next[i] = (next[i] & ~old) | (state[i] & old);
            }}
"""
LAST = """\
    for (size_t i = 0; i < {count}; ++i)
        out[i] = state[i];
"""


def recurrent(stage: Stage, state: Stage, recurrence: Recurrence) -> str:
    """Return the function of a recurrent layer.

    Args:
        stage: the layer.
        state: its product with its states.
        recurrence: how these enter its sums.
    """
    size, number = state.words, stage.number
    steps, inputs = stage.shape
    count = state.planes * size
    factor = f"{recurrence.of_states * state.step[1]}"
    periods = [int(period) for period in np.unique(recurrence.periods) if period > 1]
    modules = {period: f"module_{number}_{period}" for period in periods}
    function = FUNCTION.format(
        number=number,
        count=count,
        zero=_zero(state),
        steps=steps,
        inputs=inputs,
        patch=stage.planes * stage.patch,
        lanes=stage.lanes,
        planes=stage.planes,
        words=stage.patch,
        map_words=stage.words,
        of_inputs=call(stage, "patch"),
        of_states=call(state, "state", "past"),
        distance=recurrence.of_inputs * stage.step[1],
        factor=f"(step > 0 ? {factor} : 0)" if state.values == SIGN.values else factor,
        levels="".join(
            f"        {set_bits(stage, level)} next + {level * size});\n"
            for level in range(state.planes)
        ),
        kept="".join(
            KEPT.format(period=period, count=count, module=module, size=size)
            for period, module in modules.items()
        ),
        written=_written(stage, state) if recurrence.sequence else "",
        last="" if recurrence.sequence else LAST.format(count=count),
    )
    return _tables(recurrence.periods, modules) + function


def _zero(state: Stage) -> str:
    """Return the words of the state 0."""
    bits = np.zeros((state.planes, state.layer.units), bool)
    if state.values != SIGN.values:
        bits |= np.array(state.values[1:])[:, None] <= 0
    return ", ".join(f"{word:#018x}" for word in words_of(bits).ravel())


def _tables(periods: np.ndarray, modules: dict[int, str]) -> str:
    """Return the units of each module as bits."""
    return "".join(
        "\n" + table("word", name, [f"{word:#018x}" for word in words_of(periods == period)], 4)
        for period, name in modules.items()
    )


def _written(stage: Stage, state: Stage) -> str:
    """Return the copies of a state to its place in the map of all states."""
    units, map_words = stage.layer.units, words(int(np.prod(stage.outputs)))
    return "".join(
        f"        copy_bits(out + {plane * map_words}, step * {units},"
        f" state + {plane * state.words}, 0, {units});\n"
        for plane in range(state.planes)
    )
