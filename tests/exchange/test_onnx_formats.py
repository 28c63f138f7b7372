"""The formats of ONNX: all of ONNX Runtime's ways to run a file give the logits of the net."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from support.exported_nets import (
    IMAGE,
    compared,
    convolutional_of,
    evaluation,
    exact_nets,
    images,
    logits_of,
    model_of,
)

from brnn.errors import ConfigError
from brnn.exchange import onnx_formats
from brnn.exchange.check import reference
from brnn.exchange.net import halfway
from brnn.exchange.reading import read
from brnn.quantization import quantizers

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

X = images(2000)


@pytest.mark.parametrize("name", ["onnx", "onnx_packed"])
@pytest.mark.parametrize("make", **exact_nets())
def test_the_logits_of_every_way_to_run_it_are_those_of_the_net(name, make):
    found, expected = compared(make(), getattr(onnx_formats, name))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("name", ["onnx", "onnx_packed"])
def test_a_million_units_of_wide_layers_have_the_signs_of_whole_sums(name):
    """Rounding of inputs, or of sums near 0, would change some of them."""
    model = model_of(batch_normalization=False, first_width=301, width=301, depth=4)
    net = read(model, pixels=True)
    x = images(1000)
    sums = x.reshape(len(x), -1).astype("int64")
    zeros = 0
    for layer in net.layers[:-1]:
        sums = sums @ layer.kernel.astype("int64")
        zeros += int((sums == layer.threshold).sum())
        sums = np.where(sums >= layer.threshold, 1, -1)
    assert zeros > 10_000
    logits = sums @ net.layers[-1].kernel + net.layers[-1].bias
    assert np.array_equal(logits_of(getattr(onnx_formats, name)(net), x), logits.astype("float32"))


@pytest.mark.parametrize("keys", [{"signs": False}, {"signs": False, "activation": "relu"}])
def test_a_plain_file_holds_real_activations(keys):
    model = model_of(**keys)
    net = read(model, pixels=True)
    for logits in onnx_formats.onnx(net).runtimes.values():
        expected = reference(evaluation(model), net, X).logits
        np.testing.assert_allclose(logits(X), expected, rtol=1e-4, atol=1e-4)


def test_real_inputs_of_a_plain_file_are_taken_as_they_are():
    x = np.random.default_rng(0).normal(size=(500, *IMAGE)).astype("float32")
    model = model_of()
    net = read(model, pixels=False)
    expected = reference(evaluation(model), net, x)
    found = logits_of(onnx_formats.onnx(net), x)
    assert np.array_equal(found[~expected.undecided], expected.logits[~expected.undecided])


def test_a_plain_file_has_weights_of_one_and_signs_that_no_other_tool_need_guess():
    exported = onnx_formats.onnx(read(model_of(), pixels=True))
    model = onnx.load_from_string(exported.content)
    kernels = [c for c in model.graph.initializer if c.name.endswith("/kernel")][:-1]
    values = [np.unique(onnx.numpy_helper.to_array(kernel)).tolist() for kernel in kernels]
    assert values == 3 * [[-1, 1]]
    operators = [node.op_type for node in model.graph.node]
    assert operators == [
        "Flatten", *(3 * ["MatMul", "GreaterOrEqual", "Where"]), "MatMul", "Add", "Mul", "Add",
        "Identity",
    ]  # fmt: skip


def test_two_bits_for_each_weight_beyond_the_first_layer():
    exported = onnx_formats.onnx_packed(read(model_of(first_width=256, width=256), pixels=True))
    model = onnx.load_from_string(exported.content)
    codes = next(c for c in model.graph.initializer if c.name == "hidden_1/codes")
    assert onnx.numpy_helper.to_array(codes).shape == (256, 2, 32)
    (product,) = [node for node in model.graph.node if node.name == "hidden_1/product"]
    keys = {a.name: a.i for a in product.attribute}
    assert keys == {"K": 256, "N": 256, "bits": 2, "block_size": 128, "accuracy_level": 4}


@pytest.mark.parametrize(
    ("keys", "pixels", "reason"),
    [
        ({"signs": False}, True, "hidden_0 has the activation tanh"),
        ({}, False, "hidden_0 has real inputs"),
        ({"depth": 0}, False, "logits has real inputs"),
        ({"real": True}, True, "hidden_1 has real weights"),
    ],
)
def test_a_net_of_real_numbers_is_refused_by_its_layer(keys, pixels, reason):
    model = model_of(**{key: value for key, value in keys.items() if key != "real"})
    if "real" in keys:
        kernel, bias = model.get_layer("hidden_1").get_weights()
        model.get_layer("hidden_1").set_weights([kernel * 1.5 + 0.1, bias])
    with pytest.raises(ConfigError, match=rf"{reason}; formats that hold it: onnx, levels"):
        onnx_formats.onnx_packed(read(model, pixels))


@pytest.mark.parametrize(
    ("layers", "signs", "expected"),
    [  # three signs: sums are -3, -1, 1 and 3; 0 and 1 are met by the same sums, 0 is halfway
        ([1, 1, 1], True, [0, 0, 4]),
        ([1, 1, 1], False, [-0.5, 0.5, 3.5]),  # of bytes
        ([1, 0, 1], True, [-0.5, 0.5, 3.5]),
    ],
)
def test_thresholds_halfway_between_two_sums(layers, signs, expected):
    net = read(model_of(batch_normalization=False, depth=1), pixels=True)
    layer = replace(
        net.layers[0],
        kernel=np.int8(layers)[:, None] * np.ones(3, "int8"),
        threshold=np.array([[0, 1, 4]]),
        signs=signs,
    )
    assert halfway(layer).tolist() == [expected]


def test_pads_of_0_make_sums_of_signs_even_and_odd():
    net = read(convolutional_of(padding="zero", pools=[1, 1]), pixels=True)
    assert net.layers[1].signs
    assert set(np.unique(halfway(net.layers[1]) % 1)) == {0.5}
    net = read(convolutional_of(padding="one", pools=[1, 1]), pixels=True)
    assert (halfway(net.layers[1]) % 2 == 1).all()  # sums of 2 * 2 * 6 signs are even


def test_levels_that_8_bits_round_are_refused():
    steps = partial(quantizers.ternary, scale=0.5)
    net = read(convolutional_of(activation_quantizer=steps, padding="one"), pixels=True)
    assert net.layers[1].window.pad_value == 2  # 1 where 0.5 counts as 1
    with pytest.raises(
        ConfigError, match="convolution_1 also reads 2; formats that hold it: c, onnx, qonnx"
    ):
        onnx_formats.onnx_packed(net)
