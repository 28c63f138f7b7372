"""Nets whose real sums are bent by a PReLU: positive parts by hand, and verdicts on all inputs."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops
from support import onnx_nets

from brnn.data.pixels import to_pixels
from brnn.errors import ConfigError, DataError
from brnn.proof import decide as search
from brnn.proof import keras_reader, onnx_reader, programs, worker
from brnn.proof.cases import Network
from brnn.proof.decide import SAT, UNKNOWN, UNSAT, Options, decide
from brnn.proof.flows import identity
from brnn.proof.integer_net import Rectified
from brnn.proof.layers import rectify
from brnn.proof.runtime import Runtime
from brnn.proof.vnnlib import Comparison, Property, other_class


def verdict(model, given, whole=True):
    largest = float(np.abs([given.low, given.high]).max())
    net = onnx_reader.read(model, largest, whole)
    options = Options(whole, exactly=False, solver="highs", seconds=20.0)
    return decide(net, given, Runtime(model).logits, options, lambda *_: None)


def test_a_layer_by_hand():
    """Of 2 a - 4, 3 - b and the constants -2 and 2: half of what is below 0."""
    scale, shift = np.array([[2.0, -1, 0, 0]]), np.array([[-4.0, 3, -2, 2]])
    sums = identity((1, 4), 10.0, whole=True).affine(scale, shift)
    layer, tensor = rectify(sums, np.full((1, 4), 0.5), 4, "bend")
    x = np.array([[1, 5, 7, 7], [3, 2, 7, 7]])
    positive = layer.outputs(x.T)
    assert positive[:2].tolist() == [[0, 1], [2, 0]]  # of a - 2 and b - 3
    values = np.concatenate([x.T, positive])
    result = tensor.scale.T * (tensor.weights @ values) + tensor.shift.T
    assert result.T.tolist() == [[-1, -1, -1, 2], [2, 1, -1, 2]]
    assert (tensor.error > 0).all()


@pytest.mark.parametrize(
    "bend",
    [
        keras.layers.ReLU,
        partial(keras.layers.ReLU, negative_slope=0.25),
        partial(keras.layers.LeakyReLU, 1.5),
        partial(keras.layers.PReLU, keras.initializers.RandomNormal(seed=1), shared_axes=[1, 2]),
    ],
)
def test_a_bend_has_the_logits_that_keras_computes(bend):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4, 1))
    x = bend()(keras.layers.BatchNormalization()(keras.layers.Conv2D(3, 2)(inputs)))
    x = bend()(keras.layers.Conv2D(3, 2)(ops.sign(x - 0.1)))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))
    levels = np.random.default_rng(0).integers(0, 256, (200, 4, 4, 1), "uint8")
    net = keras_reader.read(model, 255, whole=True, divisor=255)
    assert sum(isinstance(part, Rectified) for part in net.hidden) == 2
    difference = np.abs(net.logits(levels) - np.asarray(model(to_pixels(levels))))
    assert (difference <= net.last.error).all(axis=1).mean() > 0.98
    assert (net.last.error < 1e-4).all()


def test_a_bend_of_signs_changes_their_values():
    graph = onnx_nets.Graph()
    graph.then("MatMul", np.eye(2, dtype="float32"))
    onnx_nets.sign(graph, "plain")
    graph.then("LeakyRelu", alpha=0.5)
    graph.then("MatMul", np.eye(2, dtype="float32"))
    net = onnx_reader.read(graph.model((2,), 2), 9, whole=True)
    assert net.logits(np.array([[-3, 2], [0, -1]])).tolist() == [[-0.5, 1], [0, -0.5]]


@pytest.mark.parametrize("operator", ["PRelu", "LeakyRelu", "Relu"])
def test_verdicts_are_those_of_trying_all_inputs(monkeypatch, operator):
    monkeypatch.setattr(search, "hints", lambda *bounds: bounds[-1][None][:0])
    found, programs_used = [], 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        model = onnx_nets.bent(rng, operator)
        center = rng.integers(-3, 4, 3)
        around = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3), axis=-1).reshape(-1, 3)
        logits = Runtime(model).logits((center + around).astype("float32"))
        label = int(Runtime(model).logits(center[None].astype("float32")).argmax())
        given = Property(center - 2.0, center + 2.0, other_class(label, 3), 3)
        true = SAT if given.holds(logits).any() else UNSAT
        result = verdict(model, given)
        assert result.status in (true, UNKNOWN), (seed, result)
        found.append(result.status)
        programs_used += result.status == UNSAT and result.cases["interval"] != 2
    assert found.count(UNKNOWN) <= 2
    assert min(found.count(SAT), found.count(UNSAT)) >= 6
    assert programs_used >= 3


def test_a_positive_part_is_bounded_by_the_lines_around_it():
    """On -1 to 3, relu(x) is at most (3 x + 3) / 4, so that relu(x) - x is at most 1 (at -1)."""
    graph = onnx_nets.Graph()
    stream = graph.then("MatMul", np.float32([[1]]))
    graph.then("Relu")
    total = graph.add("MatMul", graph.add("Sub", graph.output, stream), np.float32([[1, 0]]))
    graph.add("GreaterOrEqual", "x", np.float32(9))
    graph.then("Where", np.float32(1), np.float32(0))
    graph.then("MatMul", np.float32([[1, 0]]))
    graph.then("Add", total)
    net = onnx_reader.read(graph.model((1,), 2), 3.0, whole=False)
    network = Network(net, np.array([-1.0]), np.array([3.0]), whole=False)
    problem = network.problem((Comparison(1, 0),))  # minimizes the logits' difference
    reverse = network.problem((Comparison(0, 1),))
    top, bottom = (worker.solve("relaxation", p, 10.0).bound for p in (reverse, problem))
    assert -top * 3 == pytest.approx(1.0, rel=1e-3)  # both were divided by 3
    assert bottom * 3 == pytest.approx(0.0, abs=1e-3)


def test_what_needs_whole_numbers_refuses_positive_parts(tmp_path):
    rng = np.random.default_rng(3)
    model = onnx_nets.bent(rng, "PRelu")
    given = Property(np.full(3, -9.0), np.full(3, 9.0), other_class(0, 3), 3)
    net = onnx_reader.read(model, 9.0, whole=True)
    for suffix in ("opb", "cnf"):
        with pytest.raises(ConfigError, match=r"need.* whole|are real"):
            programs.write(net, given, True, tmp_path / f"open.{suffix}")
    assert programs.write(net, given, True, tmp_path / "open.lp")


def test_bends_that_are_not_read_are_refused_by_name():
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, 2)(inputs)
    six = keras.layers.ReLU(6.0, name="six")(x)
    pooled = keras.layers.PReLU(name="bent")(keras.layers.MaxPooling2D(2)(x))
    for tensor, message in (
        (six, "ReLU six: max_value and threshold are not supported"),
        (pooled, "PReLU bent: a bend of pooled values is not supported"),
    ):
        y = keras.layers.Flatten()(ops.sign(tensor))
        model = keras.Model(inputs, keras.layers.Dense(2)(y))
        with pytest.raises(DataError, match=message):
            keras_reader.read(model, 1.0, whole=False)


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
            result = verdict(shifted.model((2,), 2), given, whole=False)
            assert result.status == expected
