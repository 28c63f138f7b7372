"""Graphs of ONNX with tensors of whole numbers: what rounds or may leave their range is refused."""

import numpy as np
import pytest
from onnx import TensorProto
from support import onnx_nets

from brnn.errors import DataError
from brnn.proof import onnx_reader
from brnn.proof.decide import UNSAT, Options, decide
from brnn.proof.runtime import Runtime
from brnn.proof.vnnlib import Comparison, Property


@pytest.mark.parametrize("operator", ["Sub", "Div"])
def test_arithmetic_of_bytes_is_refused(operator):
    graph = onnx_nets.Graph()
    graph.then(operator, np.uint8([3]))
    graph.then("Cast", to=TensorProto.FLOAT)
    onnx_nets.sign(graph, "where")
    graph.then("MatMul", np.float32([[1, -1]]))
    model = graph.model((1,), 2)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    message = f"{operator} t0: {operator} of whole numbers is not supported; cast them first"
    with pytest.raises(DataError, match=message):
        onnx_reader.read(model, 255, whole=True)


@pytest.mark.parametrize(
    ("nodes", "refused"),
    [
        ((("Relu",), ("Div", np.int32(2))), "Relu"),
        ((("Sign",), ("Mul", np.int32(3)), ("Div", np.int32(2))), "Sign"),
        ((("Neg",), ("Div", np.int32(2))), "Neg"),
        ((("Add", np.int32(1)), ("Div", np.int32(2))), "Div"),
        ((("Transpose",), ("MatMul", np.int32([[2]]))), "MatMul"),
        ((("Mul", np.int32(65536)), ("Mul", np.int32(65536))), "leave the range of int32"),
        ((("Add", np.int32(2**31 - 1)),), "leave the range of int32"),
    ],
)
def test_what_whole_numbers_round_or_do_not_hold_is_refused(nodes, refused):
    """The sums are of levels that are cast to bytes: the type of none is stated in the graph."""
    graph = onnx_nets.Graph()
    onnx_nets.sign(graph, "where")
    graph.then("Cast", to=TensorProto.INT8)
    graph.then("MatMulInteger", np.int8([[1]]))
    for node in nodes:
        graph.then(*node)
    graph.then("Cast", to=TensorProto.FLOAT)
    message = (
        refused if " " in refused else f"{refused} of whole numbers is not supported; cast them"
    )
    with pytest.raises(DataError, match=message):
        onnx_reader.read(graph.model((1,), 1), 255, whole=True)


def test_the_negative_of_whole_levels_is_whole():
    graph = onnx_nets.Graph()
    graph.then("GreaterOrEqual", np.float32(2))
    graph.then("Where", np.int8(-128), np.int8(1))
    graph.then("Neg")  # which wraps
    graph.then("Cast", to=TensorProto.FLOAT)
    graph.then("MatMul", np.float32([[1, 0]]))
    model, x = graph.model((1,), 2), np.array([[1], [3]])
    logits = onnx_reader.read(model, 3, whole=True).logits(x)
    assert logits.tolist() == Runtime(model).logits(x.astype("float32")).tolist()
    graph = onnx_nets.Graph()
    graph.then("GreaterOrEqual", np.float32(2))
    graph.then("Where", np.int32(3), np.int32(1))
    graph.then("Neg")
    graph.then("Div", np.int32(2))
    graph.then("Cast", to=TensorProto.FLOAT)
    with pytest.raises(DataError, match="the quotient of whole numbers is not supported"):
        onnx_reader.read(graph.model((1,), 1), 3, whole=True)


def test_levels_of_double_precision_are_rounded_by_a_later_cast():
    graph = onnx_nets.Graph()
    graph.then("GreaterOrEqual", np.float32(2))
    graph.then("Where", np.float64(0.1), np.float64(0.7))
    graph.then("Pad", np.int64([0, 0, 0, 0]), np.float64(0))
    graph.then("Cast", to=TensorProto.FLOAT)
    graph.then("GreaterOrEqual", np.float32(0.1))
    graph.then("Where", np.float32(1), np.float32(-1))
    graph.then("MatMul", np.float32([[1, -1]]))
    given = Property(np.array([1.0]), np.array([3.0]), ((Comparison(0, 1, True),),), 2)
    model = graph.model((1,), 2)
    assert given.holds(Runtime(model).logits(np.float32([[3]]))).any()
    net = onnx_reader.read(model, 3, whole=True)
    options = Options(True, False, "highs", 20.0)
    assert decide(net, given, Runtime(model).logits, options, lambda *_: None).status != UNSAT
