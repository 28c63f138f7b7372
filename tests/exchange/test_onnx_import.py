"""Nets of ONNX and QONNX that are read: the logits that ONNX Runtime and qonnx compute."""

import gzip
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from support.exported_nets import convolutional_of, images, model_of
from support.imported_nets import quantized

from brnn.data import sources
from brnn.data.pixels import to_pixels
from brnn.errors import ConfigError, DataError
from brnn.exchange import c as c_format
from brnn.exchange import onnx_formats, qonnx_format
from brnn.exchange.files import read_net
from brnn.exchange.onnx_import import read_onnx
from brnn.exchange.reading import read

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from support import onnx_nets, qonnx_nets  # noqa: E402

DATA = Path(os.environ.get("BRNN_DATA", "data"))
needs_data = pytest.mark.skipif(not (DATA / "qonnx").is_dir(), reason="needs BRNN_DATA")
NETS = {
    "dense": model_of,
    "plain": lambda: model_of(batch_normalization=False),
    "ternary": lambda: model_of(levels=(-1.0, 0.0, 1.0)),
    "one bit": lambda: model_of(binary_input=True),
    "pooled sums": lambda: convolutional_of(pool_first=True),
    "pooled signs": lambda: convolutional_of(pool_first=False, padding="zero"),
}
FORMATS = {"onnx": onnx_formats.onnx, "qonnx": qonnx_format.qonnx}


def written(path, model, form):
    path.write_bytes(FORMATS[form](read(model, pixels=True)).content)
    return path


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
def test_a_net_that_left_comes_back(make, form, tmp_path):
    if form == "qonnx":
        pytest.importorskip("qonnx")
    net = read(make(), pixels=True)
    path = tmp_path / "net.onnx"
    path.write_bytes(FORMATS[form](net).content)
    imported = read_net(path, net.shape, True, 0, 1)
    assert imported.real == []
    x = images(300, image=net.shape)
    model = quantized(imported)
    returned = read(model, pixels=True)
    np.testing.assert_allclose(returned.logits(x), net.logits(x), rtol=1e-5, atol=1e-5)
    found = np.asarray(model(to_pixels(x.reshape(-1, *model.input_shape[1:]))))
    np.testing.assert_allclose(found, net.logits(x), rtol=1e-5, atol=1e-5)


def graph_of(*nodes, shape=(1, 4), constants=None):
    helper = onnx.helper
    kind = onnx.TensorProto.FLOAT
    values = {"w": np.float32([[1, -1], [1, 1], [-1, 1], [1, -1]]), "v": np.eye(2, dtype="f4")}
    tensors = [
        onnx.numpy_helper.from_array(np.float32(value), name)
        for name, value in (values | (constants or {})).items()
    ]
    graph = helper.make_graph(
        [helper.make_node(kind, names, [out], out, **keys) for kind, names, out, keys in nodes],
        "net",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(nodes[-1][2], kind, None)],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


FIRST, LAST = ("MatMul", ["x", "w"], "sums", {}), ("MatMul", ["signs", "v"], "logits", {})
POINT_ONE = {"tenth": 0.1, "zero": 0.0, "two": 2.0, "one": 1.0}


@pytest.mark.parametrize(
    "signs",
    [
        [
            ("Sign", ["sums"], "s", {}), ("Add", ["s", "tenth"], "t", {}),
            ("Sign", ["t"], "signs", {}),
        ],
        [
            ("Greater", ["sums", "zero"], "s", {}), ("Cast", ["s"], "c", {"to": 1}),
            ("Mul", ["c", "two"], "m", {}), ("Sub", ["m", "one"], "signs", {}),
        ],
        [
            ("Less", ["zero", "sums"], "s", {}), ("Not", ["s"], "n", {}),
            ("Where", ["n", "zero", "one"], "signs", {}),
        ],
        [
            ("Less", ["sums", "zero"], "s", {}), ("Where", ["s", "two", "zero"], "signs", {}),
        ],
    ],
    ids=["0 gives +1", "0 gives -1", "0 gives 0, else 1", "falling"],
)  # fmt: skip
def test_the_sign_of_0_is_that_of_the_file(signs, tmp_path):
    model = graph_of(FIRST, *signs, LAST, constants=POINT_ONE)
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    x = np.random.default_rng(0).integers(0, 3, (200, 4)).astype("float32")  # sums are often 0
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = np.concatenate([session.run(None, {"x": row[None]})[0] for row in x])
    found = np.asarray(quantized(read_net(path, (4,), False, 0, 1))(x))
    assert (x @ model_weights(model) == 0).any()
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("order", ["normalized, pooled, sign", "sign, pooled", "falling, pooled"])
@pytest.mark.parametrize("form", ["larq", "where", "greater"])
def test_pooling_anywhere_between_two_layers(order, form, tmp_path):
    rng, graph = np.random.default_rng(0), onnx_nets.Graph()
    graph.then("Transpose", perm=[0, 3, 1, 2])
    graph.then("Conv", onnx_nets.signs(rng, 6, 2, 2, 2))
    onnx_nets.normalization(graph, rng, 6)
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    if order.startswith("normalized"):
        graph.then("MaxPool", **pool)
    onnx_nets.sign(graph, form)
    if order.startswith("falling"):
        graph.then("Neg")
    if not order.startswith("normalized"):
        graph.then("MaxPool", **pool)
    graph.then("Flatten")
    graph.then("MatMul", onnx_nets.signs(rng, 24, 3))
    (tmp_path / "net.onnx").write_bytes(graph.model((5, 5, 2), 3).SerializeToString())
    x = rng.integers(0, 3, (200, 5, 5, 2)).astype("float32")
    expected = onnx_nets.run(graph.model((5, 5, 2), 3), x)
    assert len(np.unique(expected, axis=0)) > 20
    found = np.asarray(quantized(read_net(tmp_path / "net.onnx", (5, 5, 2), False, 0, 1))(x))
    np.testing.assert_array_equal(found, expected)


def model_weights(model):
    return onnx.numpy_helper.to_array(model.graph.initializer[0])


@pytest.mark.parametrize(
    ("nodes", "keys", "message"),
    [
        ([FIRST, ("Exp", ["sums"], "signs", {}), LAST], {}, "Exp signs: the operator is not supp"),
        ([FIRST, ("Tanh", ["sums"], "signs", {}), LAST], {}, "Tanh signs: the operator is not"),
        (
            [FIRST, ("MatMul", ["sums", "v"], "logits", {})],
            {},
            "MatMul logits: its inputs are real",
        ),
        ([FIRST, ("Sign", ["sums"], "signs", {}), LAST], {}, "MatMul logits: its inputs have the"),
        ([FIRST, ("Add", ["sums", "sums"], "signs", {})], {}, "Add signs: two tensors are joined"),
        ([FIRST], {"shape": (3, 4)}, "the input x must be one image of a fixed shape"),
        ([("Sign", ["nothing"], "y", {})], {}, "Sign y: its input nothing is of no node before it"),
        ([("Sign", ["x"], "y", {})], {}, "the output of the net is not the logits of a layer"),
    ],
)
def test_a_net_of_another_kind_is_refused_by_its_node(nodes, keys, message, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(graph_of(*nodes, **keys).SerializeToString())
    with pytest.raises(DataError) as error:
        read_onnx(path, 0, 1)
    assert message in str(error.value)


def test_a_net_of_real_weights_is_real(tmp_path):
    kernel = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    model = graph_of(FIRST, constants={"w": kernel})
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    imported = read_net(tmp_path / "net.onnx", (4,), False, 0, 1)
    assert (imported.precision["kernel"], imported.real) == (None, ["layer_0"])
    x = np.random.default_rng(1).uniform(size=(9, 4)).astype("float32")
    np.testing.assert_allclose(imported.model(x), x @ kernel, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("version", [1, 6, 99])
def test_another_operator_set_is_named(version, tmp_path):
    model = graph_of(FIRST)
    model.opset_import[0].version = version
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match=rf"net\.onnx is of operator set {version} of ONNX; those"):
        read_onnx(tmp_path / "net.onnx", 0, 1)


def test_an_operator_of_another_domain_is_named(tmp_path):
    model = graph_of(FIRST)
    model.graph.node[0].domain = "my.domain"
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match=r"MatMul sums: an operator of my\.domain; those of ONNX"):
        read_onnx(tmp_path / "net.onnx", 0, 1)


def test_a_truncated_file_is_named(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(graph_of(FIRST).SerializeToString()[:-30])
    with pytest.raises(DataError, match=r"net\.onnx is not a complete file of ONNX"):
        read_onnx(path, 0, 1)


@needs_data
@pytest.mark.parametrize("name", ["TFC_1W1A", "TFC_1W2A"])
def test_a_net_of_brevitas_has_the_classes_that_qonnx_computes(name):
    pytest.importorskip("qonnx")
    from brnn.exchange.qonnx_runtime import InferShapes, ModelWrapper, execute_onnx

    path = DATA / "qonnx" / f"{name}.onnx"
    with gzip.open(DATA / "mnist/t10k-images-idx3-ubyte.gz") as file:
        x = np.frombuffer(file.read(16 + 784 * 100), "uint8", offset=16).reshape(-1, 28, 28)
    net = read(quantized(read_net(path, (28, 28), True, 0, 1)), pixels=True)
    wrapped = ModelWrapper(str(path)).transform(InferShapes())
    source, target = wrapped.graph.input[0].name, wrapped.graph.output[0].name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # qonnx warns of shapes that it does not infer
        expected = np.concatenate(
            [
                execute_onnx(wrapped, {source: np.asarray(to_pixels(i[None, None]))})[target]
                for i in x
            ]
        )
    np.testing.assert_allclose(net.logits(x), expected, atol=1e-5)
    for logits in c_format.c(net).runtimes.values():
        assert np.array_equal(logits(x), net.logits(x))


ZOO = {
    "2W2A": {},
    "no powers of two": {"activation_keys": {"scale": 0.7}, "by_channel": True},
    "2W1A, unfolded": {"activation_bits": 1, "normalization": "unfolded"},
    "1W1A, no normalization": {
        "weight_bits": 1, "activation_bits": 1, "weight_scale": 0.5, "normalization": "none",
    },
    "1W2A, zero point": {
        "weight_bits": 1,
        "activation_keys": {"zero": 1, "signed": 0, "rounding_mode": "HALF_UP", "scale": 1.0},
    },
}  # fmt: skip
LARGE = {"four levels of weights": {"weight_keys": {"narrow": 0}}}  # which C does not hold


def executed(model, x):
    """What the package qonnx computes of a net, for pixels in [0, 1]."""
    pytest.importorskip("qonnx")
    from brnn.exchange.qonnx_runtime import run

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # qonnx warns of shapes that it does not infer
        return run(model.SerializeToString(), np.asarray(to_pixels(x[:, None])))


@pytest.mark.parametrize("keys", (ZOO | LARGE).values(), ids=ZOO | LARGE)
def test_a_net_in_the_form_of_the_model_zoo_has_the_classes_of_qonnx(keys, tmp_path):
    model = qonnx_nets.tfc(np.random.default_rng(0), **keys)
    x = sources.embedded_digits()[0][:1000]
    expected = executed(model, x)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    net = read(quantized(read_net(tmp_path / "net.onnx", (28, 28), True, 0, 1)), pixels=True)
    found = net.logits(x)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    tied = np.diff(np.sort(expected, axis=1)[:, -2:]).ravel() < 1e-6
    assert np.array_equal(found.argmax(axis=1)[~tied], expected.argmax(axis=1)[~tied])
    assert len(np.unique(found.argmax(axis=1))) > 2
    if keys in LARGE.values():
        with pytest.raises(ConfigError, match="layer_0 has weights of 4 levels"):
            c_format.c(net)
    else:
        for logits in c_format.c(net).runtimes.values():
            assert np.array_equal(logits(x), found)


@pytest.mark.parametrize(
    ("keys", "levels"),
    [
        ({"narrow": 0}, "-2, -1, 0, 1 from -1.5, -0.5, 0.5 on"),
        ({"signed": 0, "narrow": 0}, "0, 1, 2, 3 from 0.5, 1.5, 2.5 on"),
        ({"rounding_mode": "FLOOR"}, "-1, 0, 1 from 0, 1 on"),
    ],
)
def test_activations_of_other_levels_are_named(keys, levels, tmp_path):
    keys = {"activation_keys": {"scale": 1.0} | keys}
    model = qonnx_nets.tfc(np.random.default_rng(0), **keys)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match=rf"MatMul MatMul_\d+: its inputs have the levels {levels}"):
        read_onnx(tmp_path / "net.onnx", 0, 1)


@needs_data
def test_a_net_of_the_verification_competition_has_the_classes_of_onnx_runtime():
    path = DATA / "vnncomp/net30.onnx"
    x = np.load(DATA / "gtsrb30.npz")["x"][:200]
    model = quantized(read_net(path, (30, 30, 3), True, 0, 255))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    expected = np.concatenate([session.run(None, {name: np.float32(i)[None]})[0] for i in x])
    assert np.array_equal(read(model, pixels=True).logits(x).argmax(1), expected.argmax(1))
    assert np.array_equal(np.asarray(model(to_pixels(x))).argmax(1), expected.argmax(1))
