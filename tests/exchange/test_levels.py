"""The format levels: the logits of its reader are those of the net, bit for bit."""

import io

import numpy as np
import pytest
from support.exported_nets import NETS, images, logits_of, model_of

from brnn.data.pixels import to_pixels
from brnn.exchange.check import reference
from brnn.exchange.levels import levels
from brnn.exchange.levels_reader import codes, logits
from brnn.exchange.reading import read
from brnn.quantization.layers import record_calls

X = images(2000)


@pytest.mark.parametrize("keys", NETS.values(), ids=NETS)
def test_the_logits_of_the_reader_are_those_of_the_net_bit_for_bit(keys):
    model = model_of(**keys)
    net = read(model, pixels=True)
    expected = reference(model, net, X)
    assert net.exact
    assert expected.undecided.mean() < (0.3 if net.inputs == "pixels" else 1e-9)
    found = logits_of(levels(net), X)
    decided = ~expected.undecided
    assert np.array_equal(found[decided], expected.logits[decided])
    assert len(np.unique(found, axis=0)) > 50


def test_sums_of_exactly_0_are_among_those_compared():
    model = model_of(**NETS["sums of 0"])
    _, calls = record_calls(model, to_pixels(X))
    hidden = [np.asarray(x) for layer, x in calls if layer.name != "binary_input"]
    assert len(hidden) == 3
    assert all((x == 0).any() for x in hidden)


def test_units_that_fire_for_small_sums_have_negated_columns():
    model = model_of()
    net = read(model, pixels=True)
    gamma = model.get_layer("normalization_1").gamma.numpy()
    kernel = model.get_layer("hidden_1").kernel.numpy()
    flipped = (net.layers[1].kernel != kernel).any(axis=0)
    assert set(np.unique(gamma)) == set(np.float32([-1.5, -0.1, 0.0, 0.3, 2.0]))
    assert not flipped[gamma >= 0].any()
    assert flipped[gamma < 0].any()


@pytest.mark.parametrize(
    "keys",
    [{"signs": False}, {"signs": False, "activation": "relu"}, {"real": "first"}, {"scale": 0.3}],
    ids=str,
)
def test_real_activations_weights_and_scales_differ_by_rounding_alone(keys):
    keys = dict(keys)
    real = keys.pop("real", None)
    model = model_of(**keys)
    if real:
        layer = model.get_layer("hidden_0")
        rng = np.random.default_rng(0)
        layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    net = read(model, pixels=True)
    expected = reference(model, net, X)
    assert not net.exact
    found = logits_of(levels(net), X)
    decided = ~expected.undecided
    assert decided.mean() > 0.9
    np.testing.assert_allclose(found[decided], expected.logits[decided], rtol=1e-4, atol=1e-4)


def test_real_inputs_are_taken_as_they_are():
    x = np.random.default_rng(0).normal(size=(500, 5, 6)).astype("float32")
    model = model_of()
    net = read(model, pixels=False)
    expected = reference(model, net, x)
    found = logits_of(levels(net), x)
    assert np.array_equal(found[~expected.undecided], expected.logits[~expected.undecided])
    assert expected.undecided.mean() < 0.01


def test_a_weight_takes_one_bit_or_with_zeros_two():
    net = read(model_of(first_width=64, width=64), pixels=True)
    with np.load(io.BytesIO(levels(net).content)) as file:
        assert file["0/kernel"].shape == (1, 4, 64)  # 30 inputs in 4 bytes
        assert np.array_equal(codes(file["1/kernel"], 64), net.layers[1].kernel)
    net = read(model_of(levels=(-1.0, 0.0, 1.0)), pixels=True)
    with np.load(io.BytesIO(levels(net).content)) as file:
        assert file["0/kernel"].shape == (2, 4, 40)
        assert np.array_equal(codes(file["0/kernel"], 30), net.layers[0].kernel)


def test_the_first_code_is_the_highest_bit_of_the_first_byte():
    assert codes(np.array([[[0b10100000]]], "uint8"), 4).tolist() == [[1], [-1], [1], [-1]]
    both = np.array([[[0b10000000]], [[0b01000000]]], "uint8")
    assert codes(both, 3).tolist() == [[1], [-1], [0]]


def test_the_reader_takes_a_path(tmp_path):
    exported = levels(read(model_of(), pixels=True))
    (tmp_path / "net.npz").write_bytes(exported.content)
    assert np.array_equal(logits(tmp_path / "net.npz", X[:50]), logits_of(exported, X[:50]))
