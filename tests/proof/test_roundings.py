"""What float32 makes of a net counts: no `unsat` where ONNX Runtime has a counterexample."""

import keras
import numpy as np
import pytest
from keras import ops
from support import onnx_nets

from brnn.errors import DataError
from brnn.proof import keras_reader, onnx_reader
from brnn.proof.decide import UNSAT, Options, decide
from brnn.proof.flows import identity
from brnn.proof.runtime import Runtime
from brnn.proof.verify import Question, verify
from brnn.proof.vnnlib import Comparison, Property

CASES = ((Comparison(0, 1),),)  # class 1 is at least class 0


def differing(graph):
    """Append logits of two classes, the unit (1,) above 0 being a counterexample."""
    graph.then("Sub", np.float32(0.5))
    onnx_nets.sign(graph, "where")
    graph.then("MatMul", np.float32([[1, -1]]))
    return graph.model((1,), 2)


def is_wrong(model, low, high, whole=True):
    """Whether a verdict is `unsat` although a whole input of the box is a counterexample."""
    given = Property(np.array([low]), np.array([high]), CASES, 2)
    net = onnx_reader.read(model, max(abs(low), abs(high)), whole)
    options = Options(whole, False, "highs", 20.0)
    status = decide(net, given, Runtime(model).logits, options, lambda *_: None).status
    images = np.arange(low, high + 1, dtype="float32")[:, None]
    return status == UNSAT and bool(given.holds(Runtime(model).logits(images)).any())


def test_a_cut_far_below_the_rounding_of_a_shift_counts():
    graph = onnx_nets.Graph()
    graph.then("Add", np.float32(1))
    graph.then("GreaterOrEqual", np.float32(1e-20))
    graph.then("Where", np.float32(0), np.float32(1))
    assert not is_wrong(differing(graph), -1.0, 3.0)


def test_a_number_below_those_of_float32_is_rounded():
    graph = onnx_nets.Graph()
    for _ in range(2):
        graph.then("Mul", np.float32(2.0**-80))
    graph.then("Greater", np.float32(0))
    graph.then("Where", np.float32(0), np.float32(1))
    assert not is_wrong(differing(graph), 1.0, 3.0)


def test_the_bias_of_an_operator_is_a_part_of_its_sum():
    rng, width = np.random.default_rng(0), 300
    graph = onnx_nets.Graph()
    onnx_nets.sign(graph, "where")
    weights = rng.choice([-1, 1], (width, 64)).astype("float32")
    bias = rng.uniform(1000, 2000, 64).astype("float32")
    graph.then("Gemm", weights, bias)
    model = graph.model((width,), 64)
    net = onnx_reader.read(model, 1.0, whole=True)
    images = rng.choice([-1, 1], (200, width)).astype("float32")
    assert (np.abs(net.logits(images) - Runtime(model).logits(images)) <= net.last.error).all()


def test_numbers_of_one_sum_that_float32_rounds_differently_are_told_apart():
    graph = onnx_nets.Graph()
    total = graph.then("MatMul", np.float32([[0.3]]))
    graph.then("Add", np.float32(4096))
    far = graph.then("Sub", np.float32(4096))
    cut = np.float32(82) * np.float32(0.3)
    steps = []
    for tensor in (total, far):
        graph.add("GreaterOrEqual", tensor, cut)
        steps.append(graph.then("Where", np.float32(1), np.float32(0)))
    graph.add("Sub", *steps)
    with pytest.raises(DataError, match="two numbers of one sum are compared"):
        onnx_reader.read(differing(graph), 255, whole=True)


def test_steps_of_a_window_with_thresholds_in_two_orders_are_refused():
    graph = onnx_nets.Graph()
    graph.then("Reshape", np.array([-1, 1, 1, 2]))
    image, steps = graph.output, []
    for cuts in ([5, 5], [0, 10]):
        graph.add("GreaterOrEqual", image, np.float32(cuts).reshape(1, 1, 1, 2))
        graph.then("Where", np.float32(1), np.float32(0))
        steps.append(graph.then("MaxPool", kernel_shape=[1, 2]))
    graph.add("Sub", *steps)
    graph.then("Flatten")
    graph.then("MatMul", np.float32([[1, -1]]))
    with pytest.raises(DataError, match="thresholds of a window are not in one order"):
        onnx_reader.read(graph.model((2,), 2), 255, whole=True)


def test_a_constant_that_rounding_moves_across_a_threshold_is_refused():
    graph, value = onnx_nets.Graph(), np.float32(0.7)
    graph.then("MatMul", np.float32([[1]]))
    ones = (np.float32([v]) for v in (0, value, 0, 1))  # gamma 0: all outputs are beta
    graph.then("BatchNormalization", *ones)
    graph.then("Mul", np.float32(0.1))
    graph.then("GreaterOrEqual", np.float32(float(value) * 0.1))
    graph.then("Where", np.float32(0), np.float32(1))
    with pytest.raises(DataError, match="a constant unit is so near to a threshold"):
        onnx_reader.read(differing(graph), 3.0, whole=True)


def test_coefficients_next_to_zero_are_no_part_of_a_program_but_of_its_bounds():
    pixels = 300
    graph = onnx_nets.Graph()
    onnx_nets.sign(graph, "where")
    graph.then("MatMul", np.eye(pixels, 1, dtype="float32"))
    step = graph.output
    graph.add("MatMul", "x", np.full((pixels, 1), 0.999e-9, "float32"))
    graph.then("Add", step)
    graph.then("GreaterOrEqual", np.float32(1.000065))
    graph.then("Where", np.float32(1), np.float32(-1))
    graph.then("MatMul", np.float32([[1, -1]]))
    graph.then("Mul", np.float32([-1, -1]))
    model = graph.model((pixels,), 2)
    given = Property(np.zeros(pixels), np.full(pixels, 255.0), ((Comparison(1, 0),),), 2)
    assert given.holds(Runtime(model).logits(np.full((1, pixels), 255, "float32"))).all()
    net = onnx_reader.read(model, 255.0, whole=False)
    options = Options(False, False, "highs", 20.0)
    assert decide(net, given, Runtime(model).logits, options, lambda *_: None).status != UNSAT


def test_weights_that_a_runtime_takes_as_0_are_within_the_bound_of_rounding():
    inputs = keras.Input((1,))
    x = keras.layers.Dense(1, use_bias=False)(inputs)
    x = keras.layers.ReLU()(keras.layers.Dense(1, use_bias=False)(x))
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    model.set_weights([np.float32([[1.1e-38]]), np.float32([[1e28]]), np.ones((1, 2)), np.zeros(2)])
    net = keras_reader.read(model, 255, whole=False)
    images = np.float32([[255], [3]])
    assert (np.abs(net.logits(images) - np.asarray(model(images))) <= net.last.error).all()


def test_a_product_by_one_is_exact_and_what_cancels_is_not():
    tensor = identity((1, 2), 10.0, whole=True).affine(1 / 3, 0.0)
    assert (tensor.affine(1.0, 0.0).error == tensor.error).all()
    assert (tensor.affine(-1.0, 0.0).error == tensor.error).all()
    assert (tensor.affine(1.0, 0.0, operations=2).error > tensor.error).all()
    assert (tensor.affine(1.0, 1.0).error > tensor.error).all()


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((("MatMul", np.float32([[1e25]])), ("Mul", np.float32(1e25))), "may be above"),
        ((("MatMul", np.float32([[3e38]])),), "MatMul t0: its numbers may be above"),
        (
            (("BatchNormalization", *(np.float32([v]) for v in (1e-30, 0, 3e38, 1))),),
            "BatchNormalization t0: its numbers may be above",
        ),
    ],
)
def test_numbers_that_may_leave_the_range_of_float32_are_refused(nodes, message):
    graph = onnx_nets.Graph()
    for node in nodes:
        graph.then(*node)
    with pytest.raises(DataError, match=message):
        onnx_reader.read(differing(graph), 255, whole=True)


def test_what_computes_as_in_training_is_refused():
    dropped, normalized = onnx_nets.Graph(), onnx_nets.Graph()
    dropped.then("Dropout", np.float32(0.5), np.bool_(True))
    ones = [np.float32([v]) for v in (1, 0, 0, 1)]
    normalized.then("BatchNormalization", *ones, training_mode=1)
    for graph, message in ((dropped, "Dropout in training"), (normalized, "training_mode=1")):
        with pytest.raises(DataError, match=message):
            onnx_reader.read(differing(graph), 255, whole=True)


def test_constants_of_half_precision_are_refused():
    graph = onnx_nets.Graph()
    graph.then("MatMul", np.float16([[1]]))
    with pytest.raises(DataError, match="constants of float16 are not supported"):
        onnx_reader.read(graph.model((1,), 1), 255, whole=True)


def test_padding_of_some_axes_is_refused():
    graph = onnx_nets.Graph()
    graph.then("Pad", np.int64([1, 0]), np.float32(0), np.int64([1]))
    onnx_nets.sign(graph, "where")
    with pytest.raises(DataError, match="Pad of some axes is not supported"):
        onnx_reader.read(graph.model((1,), 2), 255, whole=True)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: keras.layers.Flatten("channels_first"), "data_format=channels_first"),
        (lambda: keras.layers.Dense(4, dtype="mixed_bfloat16"), "computes in bfloat16"),
    ],
)
def test_layers_that_compute_otherwise_are_refused_by_name(layer, message):
    inputs = keras.Input((2, 2, 3))
    x = keras.layers.Flatten()(layer()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(ops.sign(x)))
    with pytest.raises(DataError, match=message):
        keras_reader.read(model, 1.0, whole=False)


def test_a_softmax_over_the_batch_stays(tmp_path):
    graph = onnx_nets.Graph()
    onnx_nets.sign(graph, "where")
    graph.then("MatMul", np.float32([[1, -1]]))
    graph.then("Softmax", axis=0)
    with pytest.raises(DataError, match=r"Softmax .*: the operator is not supported"):
        onnx_reader.read(graph.model((1,), 2), 255, whole=True)


def test_the_smallest_change_in_whole_pixels_is_that_of_a_whole_image(tmp_path):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(2)(ops.sign(keras.layers.Dense(2)(inputs))))
    model.save(tmp_path / "net.keras")
    np.save(tmp_path / "image.npy", np.float32([1.5, 3]))
    question = Question(tmp_path / "image.npy", 0, 1.0, "linf", 255.0, minimal=True)
    with pytest.raises(DataError, match="must have whole pixels with --minimal"):
        verify(
            tmp_path / "net.keras", question, lambda *_: None, pixels="whole", solver="highs",
            seconds=5.0, divisor=1.0, variance_epsilon=None, program=None,
        )  # fmt: skip
