"""Augmentation: what training sees is changed and seeded; nothing else is."""

from functools import partial

import keras
import numpy as np
import pytest
from support.training import constant

from brnn.data.dataset import Data
from brnn.quantization import quantizers
from brnn.quantization.manager import QuantManager, Rule
from brnn.training import losses, regimes
from brnn.training.augment import augmentation
from brnn.training.loop import fit
from brnn.training.program import Program

NONE = {"shift": 0, "pad_and_crop": 0, "flip": False, "cutout": 0}
ALL = {"shift": 1, "pad_and_crop": 1, "flip": True, "cutout": 2}
ROWS = 32


def data():
    x = np.random.default_rng(0).integers(0, 256, (ROWS, 6, 6), "uint8")
    y = (np.arange(ROWS) % 2).astype("int32")
    return Data((x, y), (x[:8], y[:8]), (x, y), classes=2, source="generated")


def program(regime, *, compiled=True):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 6)), keras.layers.Flatten(), keras.layers.Dense(2)])
    binary = Rule("kernel", partial(quantizers.binary, scale=1.0), bound=1.0)
    adam = keras.optimizers.Adam()
    return Program(QuantManager(model, [binary]), adam, losses.cross_entropy, regime, compiled)


def trained(program, epochs=1, start=0, rate=0.01):
    keys = {"batch_size": 8, "by_step": constant(rate), "seed": 3}
    metrics = list(fit(program, data(), epochs=epochs, start=start, **keys))
    return program.state(), metrics[-1]


def test_without_a_change_it_is_the_regime_itself():
    assert augmentation(regimes.standard, **NONE) is regimes.standard


@pytest.mark.parametrize("key", ALL)
def test_each_change_alone_reaches_the_regime(key):
    seen = []

    def regime(call, net, loss, x, labels, noise):
        seen.append(np.array(x))
        return "loss", "logits", "state"

    x = data().train[0].astype("float32") / 255
    rng = np.random.default_rng(0)
    augmented = augmentation(regime, **NONE | {key: ALL[key]})
    noise = lambda shape: np.float32(rng.random(shape))  # noqa: E731
    result = augmented(None, None, None, keras.ops.convert_to_tensor(x), None, noise)
    assert result == ("loss", "logits", "state")
    changed = (seen[0] != x).any(axis=(1, 2)).mean()
    assert 0.3 < changed <= 1


@pytest.mark.parametrize("compiled", [True, False], ids=["xla", "graph"])
def test_the_same_seed_gives_the_same_bits_also_after_a_stop(compiled):
    regime = augmentation(regimes.standard, **ALL)
    first = program(regime, compiled=compiled)
    state, _ = trained(first, epochs=2)
    whole, _ = trained(first, epochs=3, start=2)
    stopped = program(regime, compiled=compiled)
    stopped.restore(state)
    again, _ = trained(stopped, epochs=3, start=2)
    assert all(np.array_equal(a, b) for a, b in zip(whole, again, strict=True))


def test_only_training_rows_are_changed():
    """With a learning rate of 0 the test rows have one loss, and the training rows another."""
    augmented = augmentation(regimes.standard, **ALL)
    _, changed = trained(program(augmented, compiled=False), rate=0.0)
    _, plain = trained(program(regimes.standard, compiled=False), rate=0.0)
    assert changed["test/loss"] == plain["test/loss"]
    assert changed["validation/loss"] == plain["validation/loss"]
    assert plain["train/loss"] == pytest.approx(plain["test/loss"], rel=1e-5)
    assert changed["train/loss"] != pytest.approx(changed["test/loss"], rel=1e-3)
