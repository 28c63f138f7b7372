"""Bop: flips by its rule, replayed in NumPy; Adam for other variables."""

import keras
import numpy as np
import pytest

from brnn.errors import ConfigError
from brnn.nets.task import Task
from brnn.training import build
from brnn.training.bop import Bop, Bop2ndOrder

GAMMA, THRESHOLD, STEPS = 0.3, 0.2, 20


def test_flips_equal_a_replay_of_the_rule():
    rng = np.random.default_rng(0)
    signs = keras.Variable(rng.choice([-1.0, 1.0], (6, 5)), name="signs")
    real, other = (keras.Variable(np.ones(3), name="real") for _ in range(2))
    bop = Bop(binary=[signs.path], gamma=GAMMA, threshold=THRESHOLD, learning_rate=0.1)
    adam = keras.optimizers.Adam(0.1)
    bop.build([signs, real])
    adam.build([other])
    w, mean, flips = signs.numpy(), np.zeros((6, 5), "float32"), 0
    for _ in range(STEPS):
        gradient = rng.normal(size=(6, 5)).astype("float32")
        of_real = rng.normal(size=3).astype("float32")
        bop.apply([gradient, of_real], [signs, real])
        adam.apply([of_real], [other])
        mean += np.float32(GAMMA) * (gradient - mean)
        flip = (np.abs(mean) > THRESHOLD) & (np.sign(mean) == np.sign(w))
        w, flips = np.where(flip, -w, w), flips + flip.sum()
        np.testing.assert_array_equal(signs, w)
        np.testing.assert_allclose(real, other, rtol=1e-6)
    assert 20 < flips < 500


@pytest.mark.parametrize("corrected", [False, True])
def test_flips_of_the_second_order_equal_a_replay_of_the_rule(corrected):
    sigma, threshold = 0.1, 0.6
    rng = np.random.default_rng(0)
    signs = keras.Variable(rng.choice([-1.0, 1.0], (6, 5)), name="signs")
    keys = {"gamma": GAMMA, "threshold": threshold, "sigma": sigma, "corrected": corrected}
    bop = Bop2ndOrder(binary=[signs.path], learning_rate=0.1, **keys)
    w, mean, square, flips = signs.numpy(), np.zeros((6, 5)), np.zeros((6, 5)), 0
    for step in range(1, STEPS + 1):
        gradient = rng.normal(size=(6, 5)).astype("float32")
        bop.apply([gradient], [signs])
        mean = (1 - GAMMA) * mean + GAMMA * gradient
        square = (1 - sigma) * square + sigma * gradient**2
        m, v = mean, square
        if corrected:
            m, v = m / (1 - (1 - GAMMA) ** step), v / (1 - (1 - sigma) ** step)
        normalized = m / (np.sqrt(v) + 1e-10)
        flip = (np.abs(normalized) > threshold) & (np.sign(normalized) == np.sign(w))
        w, flips = np.where(flip, -w, w), flips + flip.sum()
        np.testing.assert_array_equal(signs, w)
    assert 20 < flips < 500


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize(("gradient", "flips"), [(0.1, False), (0.3, True), (-0.3, False)])
def test_a_weight_flips_against_a_large_gradient_alone(sign, gradient, flips):
    weight = keras.Variable([sign])
    bop = Bop(binary=[weight.path], gamma=1.0, threshold=0.2)
    bop.apply([np.float32([sign * gradient])], [weight])
    assert weight.numpy()[0] == (-sign if flips else sign)


def test_the_discretized_variables_of_a_net_are_flipped_and_the_others_trained(options):
    keys = options("optimizer=bop", "topology.width=4", "topology.real_last=true")
    program = build.program(keys, Task((3,), 2))
    assert program.optimizer.binary == ["hidden_0/kernel", "hidden_0/bias"]
    assert (program.optimizer.gamma, program.optimizer.threshold) == (1e-4, 1e-8)


@pytest.mark.parametrize("optimizer", ["bop", "bop2ndorder"])
@pytest.mark.parametrize("precision", ["ternary", "full", "exponential", "stochastic_binary"])
def test_levels_that_are_not_signs_are_refused(options, optimizer, precision):
    keys = options(f"optimizer={optimizer}", f"precision={precision}")
    with pytest.raises(
        ConfigError, match=f"optimizer={optimizer} needs .* got precision={precision}"
    ):
        build.program(keys, Task((3,), 2))


@pytest.mark.slow
def test_bop_learns_the_digits(options, digits):
    keys = options("optimizer=bop", "optimizer.gamma=0.001", "topology=mlp", "topology.width=64")
    program = build.program(keys | {"epochs": 1}, Task((28, 28), 10))
    *_, metrics = build.epochs(program, keys | {"epochs": 1}, digits)
    assert metrics["test/accuracy"] > 0.6
