"""Nets whose tensors are added: bounds on their rounding, and verdicts against all inputs."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from support import onnx_nets

from brnn.data.pixels import to_pixels
from brnn.errors import DataError, ProgramSizeError
from brnn.proof import cases, keras_reader, onnx_reader, programs, trial
from brnn.proof.decide import SAT, UNKNOWN, UNSAT, Options, decide
from brnn.proof.flows import added, identity
from brnn.proof.integer_net import Carried
from brnn.proof.runtime import Runtime
from brnn.proof.vnnlib import Comparison, Property, other_class, property_near

FIRST_WINS = ((Comparison(0, 1),),)  # class 1 is at least class 0


def verdict(model, given, whole=True, exactly=False):
    largest = float(np.abs([given.low, given.high]).max())
    net = onnx_reader.read(model, largest, whole)
    options = Options(whole, exactly, "highs", seconds=20.0)
    return decide(net, given, Runtime(model).logits, options, lambda *_: None)


def test_sums_by_hand():
    left = identity((1, 2), 3.0, whole=True).affine(2.0, 1.0)  # 2 a + 1, 2 b + 1
    right = identity((1, 2), 5.0, whole=True, before=2).affine(-4.0, 0.5)  # 0.5 - 4 c, …
    total = added(left, right, "sum")
    assert total.weights.toarray().tolist() == [[1, 0, -2, 0], [0, 1, 0, -2]]
    assert total.whole
    assert total.scale.tolist() == [[2, 2]]
    assert total.shift.tolist() == [[1.5, 1.5]]
    assert total.size.tolist() == [[27.5, 27.5]]
    assert total.step.tolist() == [[0.5, 0.5]]
    assert (total.error == 0).all()
    real = added(left, right.affine(1 / 3, 0.0), "sum")
    assert (real.error > 2.0**-24 * 10).all()


def test_inputs_change_a_sum_past_a_shortcut_by_all_their_paths():
    graph = onnx_nets.Graph()
    graph.then("MatMul", np.float32([[1, -2], [3, 4]]))  # changes of 4 and 6
    stream = graph.output
    onnx_nets.sign(graph, "where")
    graph.then("MatMul", np.float32([[9, 9], [9, 9]]))  # steps, which do not count
    graph.then("Add", stream)
    graph.then("MatMul", np.float32([[1, 1], [1, -1]]))  # 10
    onnx_nets.sign(graph, "where")
    graph.then("MatMul", np.float32([[1, 0], [0, 1]]))
    assert onnx_reader.read(graph.model((2,), 2), 255, whole=True).slope() == 10


def test_a_runtime_may_join_the_sum_with_the_convolution_before_it():
    rng, channels = np.random.default_rng(0), 64
    graph = onnx_nets.Graph()
    kernel = rng.normal(size=(channels, channels, 3, 3)).astype("float32") * np.float32(1e-3)
    convolved = graph.then("Conv", kernel, pads=[1, 1, 1, 1])
    shortcut = (1000 * np.eye(channels)).astype("float32").reshape(channels, channels, 1, 1)
    graph.add("Add", convolved, graph.add("Conv", "x", shortcut))
    total = graph.then("Flatten")
    graph.add("Sign", "x")
    graph.then("Flatten")
    outputs = channels * 16
    graph.add("Add", total, graph.then("MatMul", np.zeros((outputs, outputs), "float32")))
    model = graph.model((channels, 4, 4), outputs)
    net = onnx_reader.read(model, 255, whole=True)
    images = rng.integers(100, 256, (20, channels, 4, 4)).astype("float32")
    assert (np.abs(net.logits(images) - Runtime(model).logits(images)) <= net.last.error).all()


@pytest.mark.parametrize("shortcut", [False, True])
def test_terms_that_cancel_count_one_by_one_for_what_is_exact(shortcut):
    """32767 p + 4 (q + 1/4) is whole and below 2^24, but its partial sums have quarters."""
    graph = onnx_nets.Graph()
    weights = np.float32([[32767, 0, 0, 0, 0], [0, 1, 1, 1, 1]])
    shift = np.float32([0, 0.25, 0.25, 0.25, 0.25])
    if shortcut:
        onnx_nets.sign(graph, "where")
        graph.then("MatMul", np.zeros((2, 5), "float32"))
        stream = graph.then("Add", shift)
        graph.add("MatMul", "x", weights)
        graph.then("Add", stream)
    else:
        graph.then("MatMul", weights)
        graph.then("Add", shift)
    taps = np.ones((5, 16), "float32")
    taps[1:, 1] = 0
    graph.then("MatMul", taps)
    top = np.full(16, 255 * 32767 + 4 * 255 + 1, "float32")
    top[1] = 255 * 32767
    graph.then("GreaterOrEqual", top)
    graph.then("Where", np.float32(1), np.float32(-1))
    graph.then("MatMul", np.eye(16, 2, dtype="float32"))
    model = graph.model((2,), 2)
    low, high = np.array([240.0, 255]), np.full(2, 255.0)
    given = Property(low, high, ((Comparison(1, 0, True),),), 2)
    broken = given.holds(Runtime(model).logits(np.float32([[255, 255]]))).any()
    assert verdict(model, given).status in ((SAT,) if broken else (SAT, UNSAT, UNKNOWN))


def test_levels_of_padded_images_are_told_apart_by_their_own_thresholds():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        graph, before = onnx_nets.Graph(), int(rng.integers(2))
        graph.then("Pad", np.int64([0, 0, 0, before, 0, 0, 0, 1]))
        width = 3 + before
        graph.then("Sub", rng.integers(0, 30, (1, 1, 1, width)).astype("float32"))
        onnx_nets.sign(graph, "where")
        graph.then("Flatten")
        graph.then("MatMul", rng.integers(-2, 3, (width, 2)).astype("float32"))
        graph.then("Add", rng.integers(-2, 3, 2).astype("float32"))
        model = graph.model((1, 1, 2), 2)
        given = Property(np.zeros(2), np.full(2, 30.0), FIRST_WINS, 2)
        levels = np.array(list(itertools.product(range(31), repeat=2)), "float32")
        broken = given.holds(Runtime(model).logits(levels.reshape(-1, 1, 1, 2))).any()
        assert verdict(model, given, exactly=True).status == (SAT if broken else UNSAT)


def test_logits_that_are_real_pixels_are_no_whole_numbers():
    graph = onnx_nets.Graph()
    graph.then("Sign")
    graph.then("MatMul", np.eye(2, dtype="float32"))
    graph.add("Identity", "x")
    given = Property(np.array([0, 0.125]), np.array([0.25, 0.1875]), FIRST_WINS, 2)
    assert verdict(graph.model((2,), 2), given, whole=False).status == SAT


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("norm", "radius", "least"), [("l1", 4.0, 36.0), ("l0", 1.0, 28.0)])
def test_a_ball_limits_pixels_that_the_logits_alone_read(norm, radius, least, whole):
    """From 10 each, four pixels between 0 and 20 sum to at least 36 in L1, and to 30 in L0."""
    graph = onnx_nets.Graph()
    onnx_nets.sign(graph, "where")
    graph.then("MatMul", np.eye(4, dtype="float32"))
    graph.then("Add", "x")
    graph.then("MatMul", np.float32([[1, -1]] * 4))
    for need, expected in ((least, UNSAT), (44.0, SAT)):
        model = onnx_nets.Graph(graph.output, [*graph.nodes], {**graph.constants})
        model.then("Add", np.float32([-need, need]))
        given = property_near(np.full(4, 10.0), norm, radius, 20.0, other_class(0, 2))
        assert verdict(model.model((4,), 2), given, whole).status == expected


def test_thresholds_of_two_numbers_of_a_sum_must_not_be_close():
    """In float32 28 * 1.19… reaches its threshold and 28 * 1.94… does not, the lower one."""
    graph = onnx_nets.Graph()
    total = graph.then("MatMul", np.float32([[1]]))
    steps = []
    for factor, cut in ((1.1911721, 33.35282), (1.9481093, 54.547062)):
        graph.add("Mul", total, np.float32(factor))
        graph.then("GreaterOrEqual", np.float32(cut))
        steps.append(graph.then("Where", np.float32(1), np.float32(0)))
    graph.add("Sub", *steps)
    graph.then("MatMul", np.float32([[1, -1]]))
    with pytest.raises(DataError, match="t7: two numbers of one sum are compared"):
        onnx_reader.read(graph.model((1,), 2), 255, whole=True)


def test_a_program_that_is_too_large_is_left_out_and_what_needs_none_is_decided(
    monkeypatch, tmp_path
):
    model = onnx_nets.residual(np.random.default_rng(0), 5, "where")
    center = np.array([2.0, -1, 0, 1, -2])
    label = int(Runtime(model).logits(center[None].astype("float32")).argmax())
    given = Property(center - 2, center + 2, other_class(label, 3), 3)
    tried = verdict(model, given)
    monkeypatch.setattr(cases, "MOST_TERMS", 200)
    net = onnx_reader.read(model, 4.0, whole=True)
    network = cases.Network(net, *given.box(True), True)
    with pytest.raises(ProgramSizeError, match="more than 200 terms; take a smaller one"):
        network.problem(given.cases[0])
    with pytest.raises(ProgramSizeError):
        programs.write(net, given, True, tmp_path / "open.lp")
    assert verdict(model, given).status == tried.status
    monkeypatch.setattr(trial, "WORK", 0)
    left = verdict(model, given)
    assert left.status == SAT or "more than 200 terms" in left.note


def keras_logits(model):
    levels = np.random.default_rng(0).integers(0, 256, (200, *model.inputs[0].shape[1:]), "uint8")
    net = keras_reader.read(model, 255, whole=True, divisor=255)
    return net, net.logits(levels), np.asarray(model(to_pixels(levels)))


def test_three_tensors_are_added():
    inputs = keras.Input((3,))
    x = ops.sign(keras.layers.Dense(4)(inputs))
    parts = [keras.layers.Dense(4)(x), keras.layers.Dense(4)(inputs), x]
    y = keras.layers.Add()(parts)
    model = keras.Model(inputs, keras.layers.Dense(2)(y))
    net, given, expected = keras_logits(model)
    assert sum(isinstance(layer, Carried) for layer in net.hidden) == 2
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


def test_signs_of_different_sums_are_added():
    inputs = keras.Input((3,))
    parts = [ops.sign(keras.layers.Dense(4)(inputs)) for _ in range(2)]
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Add()(parts)))
    _, given, expected = keras_logits(model)
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


def test_factors_of_another_axis_are_refused():
    inputs = keras.Input((3, 3))
    x = keras.layers.EinsumDense("abc,b->abc", (3, 3), bias_axes="c", name="rows")(inputs)
    x = keras.layers.Flatten()(ops.sign(x))
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    with pytest.raises(DataError, match="rows: the equation abc,b->abc with bias_axes=c is not"):
        keras_reader.read(model, 1.0, whole=False)
