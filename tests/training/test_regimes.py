"""Regimes: adversarial training sees PGD's images, TRADES both; robustness follows."""

from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.training import constant

from brnn.data.dataset import Data
from brnn.quantization.manager import QuantManager
from brnn.training import losses, regimes
from brnn.training.loop import fit
from brnn.training.program import Program

KEYS = {"epsilon": 0.2, "step": 0.5, "iterations": 5}


def linear(x):
    """Logits that differ by 2 (a - b) of an image (a, b)."""
    return x @ tf.constant([[1.0, -1.0], [-1.0, 1.0]])


def recorded(regime, **keys):
    """The images that a step trains on, its loss and its logits, from no random start."""
    seen = []

    def call(x):
        seen.append(x.numpy())
        return linear(x), "rest"

    x, labels = tf.constant([[0.5, 0.5], [0.1, 0.9]]), tf.constant([0, 1])
    middle = lambda shape: tf.fill(shape, 0.5)  # noqa: E731
    loss, logits, rest = regime(call, linear, losses.cross_entropy, x, labels, middle, **keys)
    assert rest == "rest"
    return seen[0], float(loss), logits.numpy()


def test_standard_trains_on_the_images():
    seen, loss, _ = recorded(regimes.standard)
    np.testing.assert_array_equal(seen, np.float32([[0.5, 0.5], [0.1, 0.9]]))
    assert loss == pytest.approx((np.log(2) + np.log1p(np.exp(-1.6))) / 2)


def test_adversarial_trains_on_the_images_that_pgd_finds():
    seen, loss, _ = recorded(regimes.adversarial, **KEYS)
    np.testing.assert_allclose(seen, [[0.3, 0.7], [0.3, 0.7]], atol=1e-6)
    assert loss == pytest.approx((np.log1p(np.exp(0.8)) + np.log1p(np.exp(-0.8))) / 2, rel=1e-5)


def test_trades_adds_how_far_the_prediction_moves():
    seen, loss, logits = recorded(regimes.trades, beta=2.0, **KEYS)
    assert seen.shape == (4, 2)
    assert logits.shape == (2, 2)
    clean, moved = (
        tf.nn.softmax(linear(half)).numpy().astype("float64") for half in np.split(seen, 2)
    )
    divergence = (clean * np.log(clean / moved)).sum(axis=1).mean()
    expected = (np.log(2) + np.log1p(np.exp(-1.6))) / 2 + 2.0 * divergence
    assert loss == pytest.approx(expected, rel=1e-4)
    assert np.abs(seen[2:] - seen[:2]).max() <= 0.2 + 1e-6


@cache
def robustness(regime, compiled):
    """The accuracy under PGD of a net trained by a regime."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400).astype("int32")
    x = (0.5 + 0.1 * (2 * y - 1)[:, None] * np.ones(20)).astype(
        "float32"
    )  # hints that a perturbation turns around
    x[:, 0] += 0.15 * (2 * y - 1)  # a hint that it does not turn around
    data = Data((x, y), (x[:0], y[:0]), (x, y), 2, "generated")
    keys = {"standard": {}, "adversarial": KEYS, "trades": KEYS | {"beta": 3.0}}[regime]
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((20,)), keras.layers.Dense(16, "tanh"), keras.layers.Dense(2)]
    )
    manager, optimizer = QuantManager(model, []), keras.optimizers.Adam(0.01)
    objective = lambda *arguments: getattr(regimes, regime)(*arguments, **keys)  # noqa: E731
    program = Program(manager, optimizer, losses.cross_entropy, objective, compiled)
    list(fit(program, data, epochs=15, batch_size=50, by_step=constant(0.01), seed=0))
    goal = regimes.Goal(model, tf.constant(y), targeted=False)
    ball = regimes.Ball(tf.constant(x), 0.2, "linf")
    moved = regimes.ascend(goal, ball, tf.constant(x), 0.25, 10)
    return np.mean(np.argmax(model(moved), -1) == y)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("regime", ["adversarial", "trades"])
def test_training_against_pgd_makes_a_net_robust(regime, compiled):
    plain = robustness("standard", compiled)
    assert plain < 0.1
    assert robustness(regime, compiled) > plain + 0.4
