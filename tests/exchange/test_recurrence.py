"""Recurrent nets whose states are levels: read, computed step by step, and written as C."""

from functools import partial

import numpy as np
import pytest
from support.compilers import assert_sound, with_each_compiler
from support.exported_nets import (
    TERNARY,
    THREE_LEVELS,
    evaluation,
    images,
    logits_of,
    recurrent_of,
)

from brnn.errors import ConfigError
from brnn.exchange.c import c
from brnn.exchange.check import reference
from brnn.exchange.levels import levels
from brnn.exchange.onnx_formats import onnx, onnx_packed
from brnn.exchange.reading import read
from brnn.exchange.recurrence import Recurrence
from brnn.nets import recurrent
from brnn.quantization import quantizers

CLOCKWORK = partial(recurrent.clockwork, periods=[1, 2, 5])
NETS = {
    "rnn": {},
    "one layer": {"depth": 1, "width": 64},
    "clockwork": {"cell": CLOCKWORK, "width": 69},
    "ternary weights": {"levels": TERNARY, "width": 33},
    "three states": {"state": THREE_LEVELS, "levels": TERNARY},
    "three states, clockwork": {"state": THREE_LEVELS, "cell": CLOCKWORK, "width": 66},
    "pixel by pixel": {"image": (40, 2), "width": 24},
}


def dark(count, image):
    """Images of which some rows are black, as at the edge of a digit."""
    x = images(count, image=image)
    x[:, :: image[0] // 2] = 0
    return x


@pytest.fixture(params=NETS.values(), ids=NETS, scope="module")
def made(request):
    """A net, its Keras model, inputs, and what the model computes."""
    model, image = recurrent_of(**request.param)
    net = read(model, True, image)
    x = dark(400, image)
    return net, x, reference(evaluation(model), net, x)


def test_a_net_has_the_logits_of_keras(made):
    net, x, expected = made
    decided = ~expected.undecided
    assert decided.mean() > 0.5
    assert len(np.unique(expected.logits[decided], axis=0)) > 5
    assert np.array_equal(net.logits(x)[decided], expected.logits[decided])


@with_each_compiler
def test_the_c_file_has_the_logits_of_the_net_without_warnings_or_faults(made, compiler, tmp_path):
    net, x, _ = made
    exported = c(net)
    assert np.array_equal(logits_of(exported, x), net.logits(x))
    assert_sound(compiler, exported.content, x[:5], tmp_path)


def test_steps_worked_out_by_hand():
    # two units, of which the second updates at every second step; products of inputs count 2, of
    # states 3
    kernel = np.array([[1, -1], [0, 1]])
    recurrence = Recurrence(kernel, 2, 3, np.array([1, 2]), sequence=True)
    of_inputs = np.array([[[0.5, -1.0], [-2.0, 4.5], [0.0, 0.0]]])

    def signs(sums):
        return np.where(sums >= 0, 1, -1)

    # step 0: 1 and -2, so the state is 1, -1. Step 1: -4 + 3 and 9 + 3 (-1 - 1), so -1, and the
    # second unit stays -1. Step 2: 3 (-1) and 3 (1 - 1)
    sums = recurrence.sums(of_inputs, signs)
    assert sums.tolist() == [[[1, -2], [-1, 3], [-3, 0]]]
    assert recurrence.states(signs(sums)).tolist() == [[[1, -1], [-1, -1], [-1, 1]]]


@pytest.mark.parametrize("form", [levels, onnx, onnx_packed])
def test_other_formats_name_the_one_that_holds_it(form):
    model, image = recurrent_of(width=8)
    with pytest.raises(ConfigError, match=r"no recurrent layers, and recurrent_0 .* hold it: c$"):
        form(read(model, True, image))


def irrational(x, noise):
    return quantizers.binary(x, noise, scale=2**0.5)


@pytest.mark.parametrize(
    ("keys", "pixels", "message"),
    [
        ({"cell": recurrent.gru}, True, r"recurrent_0 \(GRUCell\) are no levels, but mixed by"),
        ({"cell": recurrent.lstm}, True, r"recurrent_0 \(LSTMCell\) are no levels"),
        ({"cell": recurrent.mut1}, True, r"recurrent_0 \(MUT1Cell\) are no levels"),
        ({"quantized_state": False}, True, "recurrent_0 .* real numbers, by the activation tanh"),
        ({}, False, "recurrent_0 cannot be exported: its inputs or weights are real numbers"),
        ({"levels": (-0.7, 0.2)}, True, "recurrent_0 .* its inputs or weights are real numbers"),
        (
            {"state": irrational},
            True,
            r"a product of a state counts 360\.\S+ to 360\.\S+ of an input",
        ),
    ],
)
def test_states_that_are_no_levels_are_named_with_the_format_that_holds_others(
    keys, pixels, message
):
    model, image = recurrent_of(width=8, **keys)
    with pytest.raises(ConfigError, match=message):
        read(model, pixels, image)
