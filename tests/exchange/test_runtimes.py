"""What runtimes do to nets of levels, as far as formats rest on it (docs/reference/formats.md)."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

FLOAT = onnx.TensorProto.FLOAT
MICROSOFT = "com.microsoft"
RNG = np.random.default_rng(0)
SIGNS = RNG.choice([-1.0, 1.0], (256, 512)).astype("float32")
CODES = RNG.choice([-1, 1], (512, 256)).astype("int8")
GREY = RNG.integers(0, 256, (256, 512)).astype("float32") / np.float32(255)


def run(nodes, constants, x, *, opset=21, optimized=True):
    helper = onnx.helper
    made = [
        helper.make_node(kind, inputs, [output], domain=domain, **keys)
        for kind, inputs, output, domain, keys in nodes
    ]
    shape = [None] * x.ndim
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        made,
        "net",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(nodes[-1][2], FLOAT, None)],
        constants,
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    settings = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    settings.graph_optimization_level = level.ORT_ENABLE_ALL if optimized else level.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), settings, ["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x})[0]


def array(values, name):
    return onnx.numpy_helper.from_array(values, name)


def test_the_sign_of_0_is_0():
    x = np.float32([-2, -0.0, 0.0, 3])
    assert run([("Sign", ["x"], "y", "", {})], [], x).tolist() == [-1, 0, 0, 1]


@pytest.mark.parametrize("optimized", [True, False])
def test_dequantized_weights_round_their_inputs_where_optimized(optimized):
    """So no format has DequantizeLinear before MatMul."""
    nodes = [
        ("DequantizeLinear", ["w", "scale"], "real", "", {}),
        ("MatMul", ["x", "real"], "y", "", {}),
    ]
    constants = [array(CODES, "w"), array(np.float32(1), "scale")]
    difference = np.abs(run(nodes, constants, GREY, optimized=optimized) - GREY @ CODES).max()
    assert (difference > 0.05) == optimized


def product(x, block, level):
    blocks = 512 // block
    packed = (
        (CODES.T + 2).astype("uint8").reshape(256, blocks, -1, 4) << np.uint8([0, 2, 4, 6])
    ).sum(axis=-1, dtype="uint8")
    keys = {"K": 512, "N": 256, "bits": 2, "block_size": block, "accuracy_level": level}
    constants = [array(packed, "w"), array(np.ones((256, blocks), "float32"), "scales")]
    return run([("MatMulNBits", ["x", "w", "scales"], "y", MICROSOFT, keys)], constants, x)


@pytest.mark.parametrize(("block", "level"), [(64, 0), (128, 0), (128, 4)])
def test_products_of_signs_and_codes_of_two_bits_are_exact(block, level):
    exact = SIGNS.astype("int64") @ CODES
    assert (exact == 0).sum() > 1000
    assert np.array_equal(product(SIGNS, block, level), exact)


def test_grey_inputs_are_rounded_to_8_bits_at_level_4_alone():
    """So the first layer is MatMulInteger, which takes bytes."""
    exact = GREY @ CODES
    assert np.abs(product(GREY, 128, 4) - exact).max() > 0.05
    assert np.abs(product(GREY, 128, 0) - exact).max() < 1e-3


def test_products_of_bytes_are_exact():
    x = (GREY * 255).round().astype("uint8")
    nodes = [
        ("MatMulInteger", ["x", "w"], "sums", "", {}),
        ("Cast", ["sums"], "y", "", {"to": FLOAT}),
    ]
    assert np.array_equal(run(nodes, [array(CODES, "w")], x), x.astype("int64") @ CODES)


def test_a_bipolar_quantizer_gives_its_scale_at_0():
    pytest.importorskip("qonnx")
    from qonnx.custom_op.general.bipolar_quant import binary_quant

    x = np.float32([-0.1, -0.0, 0.0, 0.1])
    assert binary_quant(x, np.float32(0.5)).tolist() == [-0.5, 0.5, 0.5, 0.5]
