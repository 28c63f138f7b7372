"""The format qonnx: the package qonnx executes the file to the logits of the net."""

import numpy as np
import pytest
from support.exported_nets import compared, exact_nets, images, model_of

from brnn.errors import ConfigError
from brnn.exchange import qonnx_format
from brnn.exchange.reading import read

onnx = pytest.importorskip("onnx")
pytest.importorskip("qonnx")

X = images(500)


@pytest.mark.parametrize("make", **exact_nets())
def test_qonnx_computes_the_logits_of_the_net(make):
    found, expected = compared(make(), qonnx_format.qonnx)
    assert np.array_equal(found, expected)


def operators(**keys):
    content = qonnx_format.qonnx(read(model_of(**keys), pixels=True)).content
    return [node.op_type for node in onnx.load_from_string(content).graph.node]


def test_weights_and_signs_have_quantizers():
    binary, ternary = operators(), operators(levels=(-1.0, 0.0, 1.0))
    assert (binary.count("BipolarQuant"), binary.count("Quant")) == (4 + 3, 0)
    assert (ternary.count("BipolarQuant"), ternary.count("Quant")) == (3, 4)


def test_real_activations_are_refused():
    with pytest.raises(
        ConfigError, match=r"format=qonnx needs .* hidden_0 has the activation tanh"
    ):
        qonnx_format.qonnx(read(model_of(signs=False), pixels=True))
