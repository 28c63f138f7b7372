"""Nets of ONNX as integer nets: the outputs of ONNX Runtime, or a line that names the node."""

import os
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper
from support import onnx_nets
from support.onnx_nets import Graph, signs

from brnn.errors import DataError
from brnn.proof import onnx_reader
from brnn.proof.runtime import Runtime

DATA = Path(os.environ.get("BRNN_DATA", "data"))
FORMS = ["larq", "plain", "where", "below"]


def images(rng, model, count=64, largest=3):
    sizes = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    return rng.integers(-largest, largest + 1, (count, *sizes)).astype("float32")


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_dense_net_has_the_logits_of_onnx_runtime(form, scale):
    rng = np.random.default_rng(len(form))
    model = onnx_nets.dense(rng, (6, 5, 5, 3), form, scale)
    net, x = onnx_reader.read(model, 3, whole=True), images(rng, model)
    np.testing.assert_array_equal(net.logits(x), onnx_nets.run(model, x))
    assert (net.hidden[0].fall == net.hidden[0].rise - 1).all()  # no rounding at these scales


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "options",
    [
        {"pads": [1, 0, 1, 1]},
        {"strides": [2, 1], "group": 2},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER"},
        {"dilations": [2, 1]},
        {"pool": "MaxPool"},
        {"pool": "AveragePool"},
    ],
    ids=str,
)
@pytest.mark.parametrize("normalized", [False, True])
def test_a_convolutional_net_has_the_outputs_of_onnx_runtime(form, options, normalized):
    rng = np.random.default_rng(len(form))
    model = onnx_nets.convolutional(rng, form, normalized=normalized, **options)
    net, x = onnx_reader.read(model, 3, whole=True), images(rng, model)
    sure = ~in_doubt(net, x)
    assert sure.mean() > 0.2
    given, expected = softmax(net.logits(x)), onnx_nets.run(model, x)
    np.testing.assert_allclose(given[sure], expected[sure], atol=1e-6)


def in_doubt(net, x):
    """Of which images a sum lies where the rounding of float32 decides."""
    units, doubt = x.reshape(len(x), -1).T.astype("int64"), np.zeros(len(x), bool)
    for layer in net.hidden:
        sums = (layer.weights @ units)[layer.windows][:, :, None]
        inside = (sums >= layer.rise[..., None]) & (sums <= layer.fall[..., None])
        steps = np.diff(layer.values, axis=1)[:, None, :, None] != 0
        doubt |= (inside & steps).any(axis=(0, 1, 2))
        units = np.concatenate([units, layer.outputs(units)])
    return doubt


def test_padding_by_a_constant_has_the_logits_of_onnx_runtime():
    rng, graph = np.random.default_rng(0), Graph()
    graph.then("Conv", signs(rng, 2, 1, 2, 2))
    onnx_nets.sign(graph, "where")
    graph.then("Pad", np.array([0, 0, 1, 0, 0, 0, 0, 1]), np.float32(1))
    graph.then("Conv", signs(rng, 2, 2, 2, 2))
    onnx_nets.sign(graph, "where")
    graph.then("Flatten")
    graph.then("Gemm", signs(rng, 3, 18), np.float32([0, 1, 2]), transB=1)
    model = graph.model((1, 4, 4), 3)
    x = images(rng, model)
    net = onnx_reader.read(model, 3, whole=True)
    np.testing.assert_array_equal(net.logits(x), onnx_nets.run(model, x))


def test_scales_of_a_tenth_leave_equal_sums_to_rounding_and_no_others():
    rng = np.random.default_rng(0)
    net = onnx_reader.read(onnx_nets.dense(rng, (6, 5, 3), scale=0.1), 3, whole=True)
    hidden = net.hidden[0]
    assert set(hidden.weights.data.tolist()) == {-1, 1}
    np.testing.assert_array_equal(hidden.at[0, 0], [0, 1])  # -1 to 0 to 1, before 0.1 is added
    np.testing.assert_array_equal(hidden.rise[0, 0], [0, 0])  # a sum of 0 may come out as 1e-9
    np.testing.assert_array_equal(hidden.fall[0, 0], [0, 0])
    np.testing.assert_allclose(net.last.scale, 0.1)
    assert (net.last.error > 0).all()


def test_thresholds_of_a_normalization_by_hand():
    graph = Graph()
    graph.then("MatMul", np.ones((2, 3), "float32"))
    gamma, beta = np.float32([2, -2, 0]), np.float32([1, 1, 1])
    mean, variance = np.float32([1.25, 1.25, 0]), np.float32([4, 4, 4])
    graph.then("BatchNormalization", gamma, beta, mean, variance, epsilon=0.0)
    onnx_nets.sign(graph, "where")
    graph.then("MatMul", signs(np.random.default_rng(0), 3, 2))
    (hidden,) = onnx_reader.read(graph.model((2,), 2), 3, whole=True).hidden
    # s - 1.25 + 1 >= 0 from s = 1 on; -(s - 1.25) + 1 >= 0 up to s = 2; 1 >= 0 always
    assert hidden.at[:2, 0, 0].tolist() == [1, 3]
    assert hidden.values.tolist() == [[-1, 1], [1, -1], [1, 1]]


def test_real_inputs_may_cross_a_threshold_by_the_rounding_of_their_sum():
    model = onnx_nets.dense(np.random.default_rng(0), (4, 3, 2), "where")
    (hidden,) = onnx_reader.read(model, 255, whole=False).hidden
    assert (hidden.at == 0).all()
    assert (hidden.rise < -4 * 255 * 2**-24).all()  # four terms, each rounded
    assert (hidden.fall > 4 * 255 * 2**-24).all()
    assert hidden.fall.max() < 1.1e-3


def two_layers(*nodes):
    graph = Graph()
    graph.then("MatMul", signs(np.random.default_rng(0), 4, 3))
    for operator, *constants in nodes:
        graph.then(operator, *constants)
    graph.then("MatMul", signs(np.random.default_rng(1), 3, 2))
    return graph.model((4,), 2)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (two_layers(), "no hidden layer: no step function"),
        (two_layers(["Tanh"]), "Tanh t1: the operator is not supported"),
        (two_layers(["Sign"], ["Add", np.ones(5, "float32")]), r"Add t2: .*shape \(5,\)"),
        (two_layers(["Clip", np.float32(-1), np.float32(1)]), "Clip t1: the operator is not"),
    ],
)
def test_what_is_not_supported_is_refused_with_the_name_of_its_node(model, message):
    with pytest.raises(DataError, match=message):
        onnx_reader.read(model, 1, whole=True)


def test_hidden_weights_that_are_not_discrete_are_refused():
    graph = Graph()
    graph.then("MatMul", signs(np.random.default_rng(0), 4, 3))
    onnx_nets.sign(graph, "larq")
    graph.then("MatMul", np.random.default_rng(0).normal(size=(3, 3)).astype("float32"))
    onnx_nets.sign(graph, "larq")
    graph.then("MatMul", signs(np.random.default_rng(1), 3, 2))
    with pytest.raises(DataError, match="MatMul t4: its weights are not discrete; only the first"):
        onnx_reader.read(graph.model((4,), 2), 1, whole=True)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "net.onnx"
    data = onnx_nets.dense(np.random.default_rng(0)).SerializeToString()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"net.onnx is not a complete file of ONNX"):
        onnx_reader.load(path)
    with pytest.raises(DataError, match="No such file"):
        onnx_reader.load(tmp_path / "other.onnx")


@pytest.mark.skipif(not (DATA / "vnncomp").is_dir(), reason="needs BRNN_DATA")
def test_the_net_of_the_competition_has_the_outputs_of_onnx_runtime():
    model = onnx_reader.load(DATA / "vnncomp/net30.onnx")
    net = onnx_reader.read(model, 255, whole=True)
    with np.load(DATA / "gtsrb30.npz") as file:
        x, labels = file["x"][:32], file["y"][:32]
    model.graph.input[0].name = model.graph.node[0].input[0] = "x"
    logits = net.logits(x)
    np.testing.assert_allclose(softmax(logits), onnx_nets.run(model, x), atol=1e-6)
    assert (logits.argmax(axis=1) == labels).mean() > 0.6
    assert {len(hidden.at) for hidden in net.hidden} == {28 * 28 * 16, 27 * 27 * 32}


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_constants_that_are_not_finite_are_named(value):
    model = onnx_nets.dense(np.random.default_rng(0), (4, 3, 3), "where", normalized=True)
    for number, tensor in enumerate(model.graph.initializer):
        array = numpy_helper.to_array(tensor).copy()
        if array.dtype != "float32" or array.size < 3:
            continue
        array.flat[0] = value
        changed = ModelProto.FromString(model.SerializeToString())
        changed.graph.initializer[number].CopyFrom(numpy_helper.from_array(array, tensor.name))
        with pytest.raises(DataError, match=rf"(MatMul|BatchNormalization) \S+: .* got {value}"):
            onnx_reader.read(changed, 3, whole=True)


def test_a_variance_below_0_is_named():
    graph = Graph()
    graph.then("MatMul", signs(np.random.default_rng(0), 4, 3))
    values = np.float32([[1, 1, 1], [0, 0, 0], [0, 0, 0], [1, -1, 1]])
    graph.then("BatchNormalization", *values, epsilon=1e-3)
    with pytest.raises(DataError, match=r"variance and epsilon must be above 0, got -0\.999"):
        onnx_reader.read(graph.model((4,), 3), 3, whole=True)


def test_units_may_have_real_values():
    factors = np.float32([0.3, 0.7, 1])
    model = two_layers(["Sign"], ["Mul", factors])
    net = onnx_reader.read(model, 9, whole=True)
    assert net.hidden[0].values.tolist() == [[-f, 0, f] for f in factors.astype("float64")]
    x = np.random.default_rng(0).integers(-9, 10, (200, net.inputs))
    expected = Runtime(model).logits(x.astype("float32").reshape(-1, *net.shape))
    assert (np.abs(net.logits(x.reshape(-1, *net.shape)) - expected) <= net.last.error).all()
    assert (net.last.error < 1e-5).all()
