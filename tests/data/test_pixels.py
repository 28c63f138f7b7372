"""Pixels: bytes divided by 255, alike in every mode."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.training import constant

from brnn.data.dataset import Data
from brnn.data.pixels import to_pixels

BYTES = np.arange(256, dtype="uint8")


@pytest.mark.parametrize("mode", ["array", "eager", "graph", "compiled"])
def test_bytes_are_the_same_pixels_in_every_mode(mode):
    functions = {"array": to_pixels, "eager": to_pixels, "graph": tf.function(to_pixels)}
    functions["compiled"] = tf.function(to_pixels, jit_compile=True)
    pixels = np.asarray(functions[mode](BYTES if mode == "array" else tf.constant(BYTES)))
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, BYTES.astype("float32") * np.float32(1 / 255))
    np.testing.assert_allclose(pixels, np.arange(256) / 255, rtol=2**-23)
    assert (pixels[0], pixels[51], pixels[255]) == (0, pytest.approx(0.2, rel=2**-23), 1)


@pytest.mark.parametrize("x", [np.float32([[0.5, 2.0]]), np.int32([[3, 300]])])
def test_other_inputs_are_unchanged(x):
    assert to_pixels(x) is x
    tensor = tf.constant(x)
    assert to_pixels(tensor) is tensor


def test_bytes_and_their_pixels_train_the_same_net():
    from brnn.quantization.manager import QuantManager
    from brnn.training import losses, regimes
    from brnn.training.loop import fit
    from brnn.training.program import Program

    def trained(x):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((7,))
        model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
        program = Program(
            QuantManager(model, []),
            keras.optimizers.Adam(),
            losses.cross_entropy,
            regimes.standard,
            True,
        )
        data = Data((x, y), (x[:5], y[:5]), (x, y), 3, "npz")
        *_, last = fit(program, data, epochs=2, batch_size=8, by_step=constant(0.01), seed=0)
        return program.state(), {
            key: value for key, value in last.items() if key.endswith(("loss", "accuracy"))
        }

    rng = np.random.default_rng(0)
    x, y = rng.integers(256, size=(40, 7), dtype="uint8"), rng.integers(3, size=40, dtype="int32")
    (state, metrics), (expected, others) = trained(x), trained(np.asarray(to_pixels(x)))
    for value, other in zip(state, expected, strict=True):
        np.testing.assert_array_equal(value, other)
    assert metrics == others
