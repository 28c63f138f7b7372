"""Depthwise kernels: one scale for each output channel, and the fan-in of one."""

from functools import partial

import keras
import numpy as np
import pytest

from brnn.measures.weights import bits_per_weight, snapshot
from brnn.quantization import quantizers
from brnn.quantization.manager import QuantManager, Rule


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((4, 4, 3))
    depthwise = keras.layers.DepthwiseConv2D(2, depth_multiplier=2, use_bias=False)
    return keras.Model(inputs, keras.layers.Conv2D(4, 1, use_bias=False)(depthwise(inputs)))


def rule(**keys):
    return Rule("kernel", partial(quantizers.absmean_binary, by="channel"), None, **keys)


def test_a_scale_is_that_of_an_output_channel(model):
    manager = QuantManager(model, [rule()])
    assert manager.shapes == [(2, 2, 1, 6), (1, 1, 6, 4)]
    latent = np.asarray(model.layers[1].kernel)
    scales = np.abs(latent).mean(axis=(0, 1))  # (3, 2)
    np.testing.assert_allclose(manager.levels()[0], scales * np.sign(latent), rtol=1e-6)
    weights = snapshot(manager)[0]
    assert bits_per_weight(weights) == pytest.approx(min(32, 1 + 32 * 6 / 24))
    np.testing.assert_array_equal(manager.discretized().layers[1].kernel, manager.levels()[0])


def test_a_learned_scale_is_one_number_for_each_output_channel(model):
    binary = partial(quantizers.binary, scale=0.5)
    manager = QuantManager(model, [Rule("kernel", binary, None, learned=("scale",), by="channel")])
    assert [v.shape for v in manager.arguments] == [(6,), (4,)]
    manager.arguments[0].assign(np.arange(1, 7))
    sizes = np.abs(manager.levels()[0])[0, 0]
    np.testing.assert_array_equal(sizes, [[1, 2], [3, 4], [5, 6]])
