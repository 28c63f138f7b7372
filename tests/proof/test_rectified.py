"""Nets with ReLU and PReLU: positive parts by hand, and verdicts against all inputs."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops
from onnx import TensorProto
from support import onnx_nets

from brnn.data.pixels import to_pixels
from brnn.errors import ConfigError, DataError, ProgramSizeError
from brnn.proof import box, cases, keras_reader, onnx_reader, programs, trial, worker
from brnn.proof import decide as search
from brnn.proof.cases import Network
from brnn.proof.decide import SAT, UNKNOWN, UNSAT, Options, decide
from brnn.proof.flows import identity
from brnn.proof.integer_net import Rectified
from brnn.proof.layers import rectify
from brnn.proof.numbers import UNIT
from brnn.proof.runtime import Runtime
from brnn.proof.vnnlib import Comparison, Property, other_class, property_near


def verdict(model, given, whole=True, solver="highs"):
    largest = float(np.abs([given.low, given.high]).max())
    net = onnx_reader.read(model, largest, whole)
    options = Options(whole, exactly=False, solver=solver, seconds=20.0)
    return decide(net, given, Runtime(model).logits, options, lambda *_: None)


def grid_around(center, width=2):
    """All whole inputs (n, 3) around a center of three pixels."""
    around = np.meshgrid(*[np.arange(-width, width + 1)] * 3)
    return center + np.stack(around, axis=-1).reshape(-1, 3)


@pytest.mark.parametrize("slope", [-0.5, 0.0, 0.5, 1.0, 3.0])
def test_a_layer_by_hand(slope):
    """Of 2 a - 4, 3 - b and the constants -2 and 2."""
    scale, shift = np.array([[2.0, -1, 0, 0]]), np.array([[-4.0, 3, -2, 2]])
    sums = identity((1, 4), 10.0, whole=True).affine(scale, shift)
    layer, tensor = rectify(sums, np.full((1, 4), slope), 4, "rectifier")
    x = np.array([[1, 5, 7, 7], [3, 2, 7, 7], [2, 3, 7, 7]])
    values = np.concatenate([x.T, layer.outputs(x.T)])
    result = tensor.scale.T * (tensor.weights @ values) + tensor.shift.T
    expected = [[-2 * slope, -2 * slope, -2 * slope, 2], [2, 1, -2 * slope, 2]]
    assert result.T.tolist() == [*expected, [0, 0, -2 * slope, 2]]
    steepest = max(1, abs(slope))
    assert tensor.size.tolist() == [[24 * steepest, 13 * steepest, 2 * steepest, 2 * steepest]]
    assert tensor.error[0, :2] == pytest.approx(2 * UNIT * tensor.size[0, :2])


def test_a_channel_of_a_small_scale_does_not_blur_another():
    sums = identity((1, 2), 10.0, whole=True).affine(np.array([[1.0, 1e-6]]), 0.0)
    _, tensor = rectify(sums, np.full((1, 2), 0.25), 2, "rectifier")
    assert tensor.error[0, 0] < 1.3e-6


@pytest.mark.parametrize(
    ("slope", "low", "high"), [(0.0, 0, 1), (0.5, -1.5, 1), (1.0, -3, 1), (2.0, -6, 1)]
)
def test_interval_bounds_by_hand(slope, low, high):
    """Of -x, with x from -1 to 3."""
    graph = onnx_nets.Graph()
    graph.then("MatMul", np.float32([[-1]]))
    graph.then("LeakyRelu", alpha=slope)
    graph.then("MatMul", np.float32([[1, 0]]))
    net = onnx_reader.read(graph.model((1,), 2), 3, whole=False)
    ends = np.array([-1.0]), np.array([3.0])
    (reach,) = box.reaches(net, *ends)
    part = np.maximum(np.array([reach.low, reach.high]) - net.hidden[0].at, 0)
    bounds = zip(ends, (part.min(), part.max()), strict=True)
    values = [np.append(pixel, positive) for pixel, positive in bounds]
    below, above = box.interval(net.last.weights, *values)
    assert [net.last.scale[0] * below[0], net.last.scale[0] * above[0]] == [low, high]


@pytest.mark.parametrize(
    "rectifier",
    [
        keras.layers.ReLU,
        partial(keras.layers.ReLU, negative_slope=0.3),
        partial(keras.layers.LeakyReLU, 1.7),
        partial(keras.layers.PReLU, keras.initializers.RandomNormal(seed=1), shared_axes=[1, 2]),
        partial(keras.layers.PReLU, keras.initializers.RandomNormal(seed=2)),
    ],
)
def test_a_net_has_the_logits_that_keras_computes(rectifier):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4, 1))
    normalization = keras.layers.BatchNormalization()
    x = rectifier()(normalization(keras.layers.Conv2D(4, 2)(inputs)))
    signs = ops.sign(x - 0.1)
    x = rectifier()(keras.layers.Conv2D(3, 2)(signs))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))
    gamma, zeros, ones = np.float32([1, -0.7, 1e-6, 0]), np.zeros(4), np.ones(4)
    normalization.set_weights([gamma, np.float32([0, 0.1, 0.3, -0.2]), zeros, ones])
    levels = np.random.default_rng(0).integers(0, 256, (200, 4, 4, 1), "uint8")
    images = np.asarray(to_pixels(levels))
    steps = np.asarray(keras.Model(inputs, x)(images))
    before_signs = np.asarray(keras.Model(inputs, signs)(images))
    net = keras_reader.read(model, 255, whole=True, divisor=255)
    assert sum(isinstance(part, Rectified) for part in net.hidden) == 2
    assert steps.std() > 0
    assert set(np.unique(before_signs)) == {-1, 1}
    difference = np.abs(net.logits(levels) - np.asarray(model(images)))
    assert (difference <= net.last.error).all(axis=1).mean() >= 0.995  # a sign next to 0
    assert (net.last.error < 1e-4).all()


def test_a_rectifier_of_signs_changes_their_values():
    graph = onnx_nets.Graph()
    graph.then("MatMul", np.eye(2, dtype="float32"))
    onnx_nets.sign(graph, "plain")
    graph.then("LeakyRelu", alpha=0.5)
    graph.then("MatMul", np.eye(2, dtype="float32"))
    net = onnx_reader.read(graph.model((2,), 2), 9, whole=True)
    assert net.logits(np.array([[-3, 2], [0, -1]])).tolist() == [[-0.5, 1], [0, -0.5]]


def test_a_rectifier_of_levels_rounds_as_float32_does():
    """The product of two numbers of float32 is compared with its own rounding."""
    factor, slope = np.float32(0.1), np.float32(0.3)
    graph = onnx_nets.Graph()
    graph.then("Sign")
    graph.then("Mul", factor)
    graph.then("LeakyRelu", alpha=float(slope))
    graph.then("GreaterOrEqual", -factor * slope)
    graph.then("Where", np.float32(1), np.float32(-1))
    graph.then("MatMul", np.float32([[1, 0]]))
    model = graph.model((1,), 2)
    net = onnx_reader.read(model, 3, whole=True)
    x = np.array([[-3], [0], [2]])
    assert net.logits(x).tolist() == Runtime(model).logits(x.astype("float32")).tolist()


@pytest.mark.parametrize("operator", ["PRelu", "LeakyRelu", "Relu"])
def test_verdicts_of_programs_are_those_of_trying_all_inputs(monkeypatch, operator):
    monkeypatch.setattr(trial, "WORK", 0)
    monkeypatch.setattr(
        search, "hints", lambda net, given, low, high: np.empty((0, len(low)))
    )  # so that programs find what there is
    results = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        model = onnx_nets.rectified(rng, operator)
        center = rng.integers(-3, 4, 3)
        logits = Runtime(model).logits(grid_around(center).astype("float32"))
        label = int(Runtime(model).logits(center[None].astype("float32")).argmax())
        given = Property(center - 2.0, center + 2.0, other_class(label, 3), 3)
        true = SAT if given.holds(logits).any() else UNSAT
        result = verdict(model, given)
        assert result.status in (true, UNKNOWN), (seed, result)
        results.append(result)
    statuses = [result.status for result in results]
    assert statuses.count(UNKNOWN) <= 2
    assert min(statuses.count(SAT), statuses.count(UNSAT)) >= 6
    excluded = [result.cases for result in results if result.status == UNSAT]
    assert sum(counts["lp"] + counts["integer"] for counts in excluded) >= 3
    assert any(counts["integer"] for counts in excluded)


@pytest.mark.parametrize("tried", [False, True])
@pytest.mark.parametrize(("norm", "radius"), [("l0", 1), ("l1", 3), ("l2", 2.5)])
def test_verdicts_about_balls_are_those_of_trying_all_inputs(monkeypatch, norm, radius, tried):
    if not tried:
        monkeypatch.setattr(trial, "WORK", 0)
    statuses = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        model = onnx_nets.rectified(rng, "PRelu")
        center = rng.integers(3, 7, 3).astype("float64")
        label = int(Runtime(model).logits(center[None].astype("float32")).argmax())
        given = property_near(center, norm, radius, 9, other_class(label, 3))
        inputs = np.stack(np.meshgrid(*[np.arange(10)] * 3), axis=-1).reshape(-1, 3)
        inputs = inputs[given.ball.contains(inputs.astype("float64"))].astype("float32")
        true = SAT if given.holds(Runtime(model).logits(inputs)).any() else UNSAT
        result = verdict(model, given)
        assert result.status in (true, UNKNOWN), (seed, result)
        statuses.append(result.status)
    assert statuses.count(UNKNOWN) <= (0 if tried else 2)
    assert min(statuses.count(SAT), statuses.count(UNSAT)) >= 3


def test_a_positive_part_is_bounded_by_the_lines_around_it():
    """On -1 to 3, relu(x) is at most (3 x + 3) / 4, so that relu(x) - x is at most 1 (at -1)."""
    graph = onnx_nets.Graph()
    stream = graph.then("MatMul", np.float32([[1]]))
    graph.then("Relu")
    graph.add("MatMul", graph.add("Sub", graph.output, stream), np.float32([[1, 0]]))
    net = onnx_reader.read(graph.model((1,), 2), 3.0, whole=False)
    network = Network(net, np.array([-1.0]), np.array([3.0]), whole=False)
    bounds = []
    for demand in (Comparison(0, 1), Comparison(1, 0)):  # maximizes and minimizes the first logit
        problem = network.problem((demand,))
        assert np.abs(problem.cost).max() == 1  # divided by 3
        bounds.append(3 * worker.solve("relaxation", problem, 10.0).bound)
    assert bounds == [pytest.approx(-1, abs=1e-3), pytest.approx(0, abs=1e-3)]


def test_a_net_without_a_sign_is_decided():
    for seed in range(10):
        rng, graph = np.random.default_rng(seed), onnx_nets.Graph()
        graph.then("MatMul", rng.normal(size=(2, 4)).astype("float32"))
        graph.then("Relu")
        graph.then("MatMul", rng.normal(size=(4, 2)).astype("float32"))
        model = graph.model((2,), 2)
        axis = np.linspace(-3, 3, 61)
        points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2).astype("float32")
        logits = Runtime(model).logits(points)
        for beyond, expected in ((-0.1, SAT), (1.0, UNSAT)):
            lead = (logits[:, 1] - logits[:, 0]).max() + beyond  # of the first class
            shifted = onnx_nets.Graph(graph.output, [*graph.nodes], {**graph.constants})
            shifted.then("Add", np.float32([lead, 0]))
            given = Property(np.full(2, -3.0), np.full(2, 3.0), other_class(0, 2), 2)
            assert verdict(shifted.model((2,), 2), given, whole=False).status == expected


def of_whole_numbers(last):
    """ReLU of whole numbers, or of the levels of a step, before a division of whole numbers."""
    graph = onnx_nets.Graph()
    if last == "sums":
        graph.then("Cast", to=TensorProto.INT8)
        graph.then("MatMulInteger", np.int8([[1]]))
    else:
        graph.then("GreaterOrEqual", np.float32(1))
        graph.then("Where", np.int32(1), np.int32(-1))
        graph.then("Mul", np.int32(3))
    graph.then("Relu")
    graph.then("Div", np.int32(2))
    graph.then("Cast", to=TensorProto.FLOAT)
    return graph.model((1,), 1)


def test_what_is_not_supported_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="Relu t3: its input is of int32; cast it to float32"):
        onnx_reader.read(of_whole_numbers("steps"), 3, whole=True)
    tiny = onnx_nets.Graph()
    for _ in range(8):
        tiny.then("Mul", np.float32(1e-39))
    tiny.then("Add", np.float32(1))
    tiny.then("Relu")
    with pytest.raises(DataError, match="Relu t9: its input has a factor too small"):
        onnx_reader.read(tiny.model((2,), 2), 3, whole=True)
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, 2)(inputs)
    six = keras.layers.ReLU(6.0, name="six")(x)
    pooled = keras.layers.PReLU(name="late")(keras.layers.MaxPooling2D(2)(x))
    for tensor, message in (
        (six, "ReLU six: max_value and threshold are not supported"),
        (pooled, "PReLU late: ReLU and PReLU of pooled values are not supported"),
    ):
        y = keras.layers.Flatten()(ops.sign(tensor))
        model = keras.Model(inputs, keras.layers.Dense(2)(y))
        with pytest.raises(DataError, match=message):
            keras_reader.read(model, 1.0, whole=False)


def test_what_needs_whole_numbers_refuses_positive_parts(tmp_path):
    rng, graph = np.random.default_rng(0), onnx_nets.Graph()
    graph.then("MatMul", onnx_nets.signs(rng, 3, 3))
    graph.then("Relu")
    graph.then("MatMul", np.float32([[1, -1], [-1, 1], [1, -1]]))
    model = graph.model((3,), 2)
    given = Property(np.full(3, -9.0), np.full(3, 9.0), other_class(0, 2), 2)
    net = onnx_reader.read(model, 9.0, whole=True)
    for suffix, message in (
        ("opb", "opb needs whole variables: add pixels=whole; an open PReLU"),
        ("cnf", "cnf cannot state a ReLU or PReLU; use"),
    ):
        with pytest.raises(ConfigError, match=message):
            programs.write(net, given, True, tmp_path / f"open.{suffix}")
    pytest.importorskip("ortools")
    narrow = Property(np.full(3, -1.0), np.full(3, 9.0), ((Comparison(1, 0, True),),), 2)
    with pytest.raises(ConfigError, match="cp_sat needs whole variables"):
        worker.solve("cp_sat", Network(net, *narrow.box(True), True).problem(narrow.cases[0]), 5.0)


def test_the_real_outputs_of_each_layer_must_fit_into_memory(monkeypatch):
    net = onnx_reader.read(onnx_nets.rectified(np.random.default_rng(0), "Relu"), 9, whole=True)
    low, high = np.full(3, -9.0), np.full(3, 9.0)
    network = Network(net, low, high, whole=True)
    assert network.terms > 10
    monkeypatch.setattr(cases, "MOST_TERMS", 8)
    with pytest.raises(ProgramSizeError):
        Network(net, low, high, whole=True)
