"""Learned levels: their gradient by hand, their state, and what the net computes with."""

from functools import partial

import keras
import numpy as np
import pytest
from support.training import constant

from brnn.data.dataset import Data
from brnn.measures.weights import bits_per_weight, layer_rows, snapshot
from brnn.nets.task import Task
from brnn.quantization import quantizers
from brnn.quantization.manager import QuantManager, Rule
from brnn.training import build, regimes
from brnn.training.loop import fit
from brnn.training.program import Program

X = np.float32([[1, 2, 4, 8], [3, 2, 0, 0]])  # means 2, 2, 2, 4
MEANS = np.float32([2, 2, 2, 4])
LATENT = np.float32([[0.5, -1.0], [0.04, 0.5], [-0.5, 0.2], [0.9, 0.9]])


def after_a_step(rule, compiled):
    """A linear net after one step of rate 1; the loss is its first output minus the second."""
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2, use_bias=False)(inputs))
    model.set_weights([LATENT])
    manager = QuantManager(model, [rule])
    loss = lambda labels, outputs: outputs[:, 0] - outputs[:, 1]  # noqa: E731
    program = Program(manager, keras.optimizers.SGD(), loss, regimes.standard, compiled)
    pair = (X, np.zeros((2, 2), "float32"))
    data = Data(pair, pair, pair, classes=2, source="generated")
    list(fit(program, data, epochs=1, batch_size=2, by_step=constant(1.0), seed=0))
    return manager


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_the_gradient_of_a_scale_is_that_of_the_levels_times_their_signs(compiled):
    binary = partial(quantizers.binary, scale=0.5)
    by_tensor = after_a_step(Rule("kernel", binary, 1.0, learned=("scale",)), compiled)
    signs = np.sign(LATENT)
    of_channels = MEANS @ (signs * [1, -1])  # (2 + 2 - 2 + 4), -(-2 + 2 + 2 + 4)
    np.testing.assert_array_equal(of_channels, [6, -6])
    (scale,) = by_tensor.arguments
    assert scale.numpy() == pytest.approx(0.5 - of_channels.sum())
    np.testing.assert_allclose(
        by_tensor.model.get_weights()[0], np.clip(LATENT - np.outer(MEANS, [1, -1]), -1, 1)
    )
    by_channel = Rule("kernel", binary, 1.0, learned=("scale",), by="channel")
    manager = after_a_step(by_channel, compiled)
    np.testing.assert_allclose(manager.arguments[0], [0.5 - 6, 0.5 + 6])
    np.testing.assert_allclose(np.unique(np.abs(manager.levels()[0]), axis=0), [[5.5, 6.5]])


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_the_gradient_of_a_level_is_the_sum_over_the_weights_that_have_it(compiled):
    ternary = partial(quantizers.trained_ternary, positive=0.7, negative=0.3, threshold=0.05)
    rule = Rule("kernel", ternary, None, learned=("positive", "negative"))
    positive, negative = after_a_step(rule, compiled).arguments
    # above 0.05: 0.5 and 0.9 of the first column, 0.5, 0.2 and 0.9 of the second
    assert positive.numpy() == pytest.approx(0.7 - (2 + 4) + (2 + 2 + 4))
    assert negative.numpy() == pytest.approx(0.3 + 2 - 2)  # -0.5 of the first, -1 of the second


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_a_scaled_gradient_is_that_of_the_level_times_its_size(compiled):
    ternary = partial(quantizers.trained_ternary, positive=0.7, negative=0.3, threshold=0.05)
    (latent,) = after_a_step(Rule("kernel", ternary, None, scaled=True), compiled).model.weights
    factors = np.float32([[0.7, 0.3], [1, 0.7], [0.3, 0.7], [0.7, 0.7]])  # 0.04 has the level 0
    np.testing.assert_allclose(latent, LATENT - factors * np.outer(MEANS, [1, -1]), rtol=1e-6)


@pytest.mark.parametrize("precision", ["learned_binary", "ttq"])
def test_a_net_with_learned_levels_continues_with_equal_bits_and_states_its_size(
    options, precision
):
    compiled = f"compiled={str(precision == 'ttq').lower()}"
    keys = options(
        f"precision={precision}", "epochs=2", "batch_size=4", "topology.width=5", compiled
    )
    rng = np.random.default_rng(0)
    pair = (rng.uniform(size=(12, 6)).astype("float32"), np.arange(12, dtype="int32") % 2)
    data = Data(pair, pair, pair, classes=2, source="generated")
    program = build.program(keys, Task((6,), 2))
    initial = [np.array(v) for v in program.manager.arguments]
    list(build.epochs(program, keys, data))
    assert all(
        (a != np.asarray(b)).any() for a, b in zip(initial, program.manager.arguments, strict=True)
    )
    whole = program.state()
    program = build.program(keys, Task((6,), 2))
    next(build.epochs(program, keys, data))
    other = build.program(keys, Task((6,), 2))
    other.restore(program.state())
    list(build.epochs(other, keys, data, start=1))
    assert [v.tobytes() for v in whole] == [v.tobytes() for v in other.state()]
    kernel = snapshot(other.manager)[0]  # (6, 5)
    with_scales = {"learned_binary": 1 + 32 * 5 / 30, "ttq": 2 + 32 * 3 / 30}[precision]
    assert bits_per_weight(kernel) == pytest.approx(with_scales)
    assert layer_rows(other.manager)[1]["quantizer"] == "real"  # the bias
    zeros = np.mean(np.asarray(other.manager.weights()[0]) == 0)
    assert (zeros > 0) == (precision == "ttq")
