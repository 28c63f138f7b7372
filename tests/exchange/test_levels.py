"""The format levels: the logits of its reader are those of the net, bit for bit."""

import io

import numpy as np
import pytest
from support.exported_nets import (
    NETS,
    compared,
    convolutional_of,
    evaluation,
    exact_nets,
    images,
    logits_of,
    model_of,
)

from brnn.data.pixels import to_pixels
from brnn.exchange.check import reference
from brnn.exchange.codes import layers_of, packed, unpacked
from brnn.exchange.levels import levels
from brnn.exchange.levels_reader import logits, outputs, summed
from brnn.exchange.reading import read
from brnn.quantization.layers import record_calls

X = images(2000)


@pytest.mark.parametrize("make", **exact_nets())
def test_the_logits_of_the_reader_are_those_of_the_net_bit_for_bit(make):
    found, expected = compared(make(), levels)
    assert np.array_equal(found, expected)
    assert len(np.unique(found, axis=0)) > 25


def test_sums_of_exactly_0_are_among_those_compared():
    model = model_of(**NETS["sums of 0"])
    _, calls = record_calls(model, to_pixels(X))
    hidden = [np.asarray(x) for layer, x in calls if layer.name != "binary_input"]
    assert len(hidden) == 3
    assert all((x == 0).any() for x in hidden)


def test_units_whose_outputs_fall_as_sums_grow_have_negated_codes():
    model = model_of()
    net = read(model, pixels=True)
    gamma = model.get_layer("normalization_1").gamma.numpy()
    kernel = model.get_layer("hidden_1").kernel.numpy()
    flipped = (net.layers[1].rising != kernel).all(axis=0)
    assert set(np.unique(gamma)) == set(np.float32([-1.5, -0.1, 0.0, 0.3, 2.0]))
    assert not flipped[gamma >= 0].any()
    assert flipped[gamma < 0].all()
    assert (gamma < 0).any()


@pytest.mark.parametrize(
    "keys",
    [
        {"signs": False}, {"signs": False, "activation": "relu"}, {"real": "hidden_0"},
        {"scale": 0.3}, {"make": convolutional_of, "signs": False},
        {"make": convolutional_of, "signs": False, "pool_first": False, "padding": "one"},
        {"make": convolutional_of, "real": "convolution_0"},
        {"make": convolutional_of, "real": "logits"},
    ],
    ids=lambda keys: " ".join(str(getattr(v, "__name__", v)) for v in keys.values()),
)  # fmt: skip
def test_real_activations_weights_and_scales_differ_by_rounding_alone(keys):
    keys = {"make": model_of, "real": None} | keys
    real, make = keys.pop("real"), keys.pop("make")
    model = make(**keys)
    if real:
        layer = model.get_layer(real)
        rng = np.random.default_rng(0)
        layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    net = read(model, pixels=True)
    x = images(500, image=net.shape)
    expected = reference(evaluation(model), net, x)
    assert not net.exact
    found = logits_of(levels(net), x)
    decided = ~expected.undecided
    assert decided.mean() > 0.9
    np.testing.assert_allclose(found[decided], expected.logits[decided], rtol=1e-4, atol=1e-4)


def test_real_inputs_are_taken_as_they_are():
    x = np.random.default_rng(0).normal(size=(500, 5, 6)).astype("float32")
    model = model_of()
    net = read(model, pixels=False)
    expected = reference(evaluation(model), net, x)
    found = logits_of(levels(net), x)
    assert np.array_equal(found[~expected.undecided], expected.logits[~expected.undecided])
    assert expected.undecided.mean() < 0.01


def test_a_weight_takes_one_bit_or_with_zeros_two():
    net = read(model_of(first_width=64, width=64), pixels=True)
    with np.load(io.BytesIO(levels(net).content)) as file:
        assert file["0/kernel"].shape == (1, 4, 64)  # 30 inputs in 4 bytes
        assert np.array_equal(layers_of(file)[1]["kernel"], net.layers[1].rising)
    net = read(model_of(levels=(-1.0, 0.0, 1.0)), pixels=True)
    with np.load(io.BytesIO(levels(net).content)) as file:
        assert file["0/kernel"].shape == (2, 4, 40)
        assert np.array_equal(layers_of(file)[0]["kernel"], net.layers[0].rising)


def test_the_first_code_is_the_highest_bit_of_the_first_byte():
    bits = {0b10100000: [[1], [-1], [1], [-1]], (0b10000000, 0b10100000): [[1], [-1], [0]]}
    for planes, codes in bits.items():
        assert packed(np.array(codes)).ravel().tolist() == list(np.atleast_1d(planes))
        assert unpacked(packed(np.array(codes)), (len(codes), 1)).tolist() == codes


def test_the_reader_takes_a_path(tmp_path):
    exported = levels(read(model_of(), pixels=True))
    (tmp_path / "net.npz").write_bytes(exported.content)
    assert np.array_equal(logits(tmp_path / "net.npz", X[:50]), logits_of(exported, X[:50]))


def test_a_convolution_worked_out_by_hand():
    # one map of 2 by 2, padded with 1 at the right and below, and a kernel of 2 by 2
    x = np.array([[[[1], [2]], [[3], [4]]]], "uint8")
    kernel = np.array([[[[1.0]], [[10.0]]], [[[100.0]], [[1000.0]]]])
    window = np.array([(0, 0), (0, 1), (0, 1), (0, 0), (1, 1)])
    assert summed(x, kernel, window, 1)[0, :, :, 0].tolist() == [[4321, 1412], [1143, 1114]]
    window[4] = 2, 1
    assert summed(x, kernel, window, 1)[0, :, :, 0].tolist() == [[4321, 1412]]


def test_pooling_worked_out_by_hand():
    x = np.array([[[[1, 1], [2, 2], [9, 9]], [[3, 3], [4, 4], [9, 9]]]])
    assert outputs(x, {"pool": 2, "falling": np.array([False, True])}).tolist() == [[[[4, 1]]]]


def test_levels_worked_out_by_hand():
    x = np.array([[-2, 0], [0, 1], [5, 9]]).reshape(3, 1, 1, 2)
    three = {"at": np.array([0, 5]), "values": np.array([-1, 0, 1])}
    assert outputs(x, three).reshape(3, 2).tolist() == [[-1, 0], [0, 0], [1, 1]]
    of_units = {"at": np.array([[0, 1]]), "values": np.array([-1, 1])}
    assert outputs(x, of_units).reshape(3, 2).tolist() == [[-1, -1], [1, 1], [1, 1]]


def test_scales_of_channels_are_kept_apart():
    model = model_of(depth=1)
    layer = model.get_layer("hidden_0")
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel * 2.0 ** np.arange(-20, 20), bias])
    net = read(model, pixels=True)
    assert net.layers[0].scale[0] == 2.0**-20 / 255
    expected = reference(evaluation(model), net, X)
    decided = ~expected.undecided
    assert np.array_equal(logits_of(levels(net), X)[decided], expected.logits[decided])
