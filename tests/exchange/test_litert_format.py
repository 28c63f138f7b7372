"""The format litert: LiteRT gives the logits of the net, with its delegates and without."""

import numpy as np
import pytest
from support.exported_nets import compared, exact_nets, images, model_of

from brnn.errors import ConfigError
from brnn.exchange import litert_format
from brnn.exchange.reading import read

litert = pytest.importorskip("ai_edge_litert")
pytest.importorskip("ai_edge_quantizer")

X = images(500)


@pytest.mark.parametrize("make", **exact_nets())
def test_litert_computes_the_logits_of_the_net(make):
    found, expected = compared(make(), litert_format.litert)
    assert np.array_equal(found, expected)


def test_two_bits_for_each_weight_beyond_the_first_layer():
    net = read(model_of(first_width=256, width=256), pixels=True)
    first, *others = (layer.kernel.size for layer in net.layers)
    packed = first / 2 + sum(others) / 4
    assert packed < len(litert_format.litert(net).content) < packed + 16_000


def test_real_activations_are_refused():
    with pytest.raises(ConfigError, match="hidden_0 has the activation tanh"):
        litert_format.litert(read(model_of(signs=False), pixels=True))
