"""Files of ONNX read as integer nets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from brnn.errors import DataError
from brnn.exchange import onnx_file
from brnn.proof import onnx_checks, operators, pooling, qonnx
from brnn.proof.flows import Flow, Pieces, Sums, pixels
from brnn.proof.integer_net import IntegerNet
from brnn.proof.normalization import batch_normalization
from brnn.proof.tensors import Tensors, are_apart

Model = Any
"""A `ModelProto` of the package onnx, which is imported when a file is read."""


def load(path: Path) -> Model:
    """Return the model of a file, which may be compressed by gzip.

    Raises:
        ConfigError: the package onnx is not installed.
        DataError: the file cannot be read.
    """
    return qonnx.standard(onnx_file.load(path, "brnn verify", "verify"))


def input_shape(model: Model) -> tuple[int, ...]:
    """Return the shape of one input of a model.

    Raises:
        DataError: it has several inputs, or one of no fixed shape.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise DataError("the net must have one input and one output")
    return _shape(inputs[0])


def read(model: Model, largest: float, whole: bool, divisor: float = 1.0) -> IntegerNet:
    """Return a model of ONNX as an integer net.

    Args:
        model: with one input (1, ...) and one output (1, classes). A softmax at its end is left
            out: the net then gives its logits.
        largest: bound on the absolute value of the pixels.
        whole: whether pixels are whole numbers only.
        divisor: of pixels, which gives the input of the model.

    Raises:
        DataError: a node that is not supported; the message names it.
    """
    return _Reader(model, largest, whole, divisor).net()


class _Reader:
    """The nodes of a graph, which are read in their order."""

    def __init__(self, model: Any, largest: float, whole: bool, divisor: float):
        from onnx import numpy_helper

        self.model, self.graph = model, model.graph
        self.shape = input_shape(model)
        self.tensors = Tensors(self.shape, discrete=True)
        self.tensors.values = {t.name: numpy_helper.to_array(t) for t in self.graph.initializer}
        (entry,) = (v for v in self.graph.input if v.name not in self.tensors.values)
        for name, values in self.tensors.values.items():
            if values.dtype.kind not in "biuf" or values.dtype == np.float16:
                raise DataError(f"{name}: constants of {values.dtype} are not supported")
        self.integers: dict[str, str] = {}  # tensors of whole numbers, and their operators
        if entry.type.tensor_type.elem_type in onnx_file.INTEGERS:
            if not whole or divisor != 1:
                raise DataError("the net takes whole numbers: add pixels=whole, without divisor")
            self.integers[entry.name] = "Input"
        self.tensors.values[entry.name] = pixels((1, *self.shape), largest, whole, divisor)

    def net(self) -> IntegerNet:
        nodes, logits = onnx_file.before_softmax(self.graph)
        for name, node in nodes:
            output = node.output[0]
            result = self.tensors.values[output] = self._result(node, name)
            if output in self.integers:
                onnx_checks.check_whole_range(name, result)
        return self.tensors.net(logits)

    def _result(self, node: Any, name: str) -> Any:
        values = self.tensors.values
        missing = [i for i in node.input if i and i not in values]
        if missing:
            raise DataError(
                f"{name}: its input {missing[0]} is of an operator that is not supported"
            )
        inputs: list[Any] = [values[i] if i else None for i in node.input]
        if node.op_type == "Shape" and not isinstance(inputs[0], np.ndarray):
            given = onnx_file.attributes(node)
            return np.array(inputs[0].shape[given.get("start", 0) : given.get("end")])
        if not any(isinstance(value, Flow) for value in inputs):
            return onnx_file.constant(self.model, node, name, inputs)
        onnx_checks.check_inference(node, name, inputs)
        onnx_checks.check_integers(node, name, inputs, self.integers)
        if node.op_type in onnx_checks.CLOSING:
            inputs[0] = self.tensors.units(node.input[0], name)
        if node.op_type in operators.ARITHMETIC:
            if are_apart(inputs):
                inputs = [self.tensors.units(i, name) for i in node.input]
            return self.tensors.arithmetic(name, node.op_type, *inputs)
        if node.op_type in RECTIFIERS:
            slope = RECTIFIERS[node.op_type](name, onnx_file.attributes(node), *inputs[1:])
            return self.tensors.rectified(name, inputs[0], slope)
        return _apply(node.op_type, name, onnx_file.attributes(node), inputs)


def _apply(operator: str, name: str, attributes: dict, inputs: list[Any]) -> Any:
    """Return the output of a node that depends on the input of the net."""
    flow = inputs[0]
    if operator in onnx_checks.UNCHANGED:
        return flow
    if operator in onnx_file.SHAPING:
        return operators.rearranged(flow, onnx_file.move(operator, name, attributes, inputs))
    if operator in operators.COMPARISONS:
        return operators.comparison(name, operator, *inputs)
    if operator not in SINGLE:
        supported = (*SINGLE, *RECTIFIERS, *operators.ARITHMETIC, *operators.COMPARISONS)
        raise DataError(
            f"{name}: the operator is not supported; a net consists of"
            f" {', '.join((*supported, *onnx_file.SHAPING, *onnx_checks.UNCHANGED))}"
        )
    return SINGLE[operator](name, attributes, *inputs)


def _with_bias(name: str, flow: Sums, bias: np.ndarray | None) -> Flow:
    """Return a tensor plus a bias for each channel of its second axis."""
    if bias is None:
        return flow
    return operators.biased(name, flow, bias.reshape(1, -1, *(1,) * (len(flow.shape) - 2)))


def _conv(name: str, attributes: dict, flow: Flow, kernel: Any, bias: Any = None) -> Flow:
    return _with_bias(
        name, operators.convolution(name, attributes, flow, _array(name, kernel)), bias
    )


def _gemm(name: str, attributes: dict, flow: Flow, weights: Any, bias: Any = None) -> Flow:
    if attributes.get("alpha", 1.0) != 1 or attributes.get("beta", 1.0) != 1:
        raise DataError(f"{name}: Gemm with alpha or beta other than 1 is not supported")
    if attributes.get("transA", 0):
        raise DataError(f"{name}: Gemm with transA is not supported")
    weights = _array(name, weights)
    product = operators.matrix(name, flow, weights.T if attributes.get("transB", 0) else weights)
    if bias is None:
        return product
    if isinstance(bias, np.ndarray):
        return operators.biased(name, product, bias)
    raise DataError(f"{name}: Gemm with a tensor as C is not supported")


def _integers(
    name: str, _: dict, flow: Flow, weights: Any, input_zero: Any = None, zero: Any = None
) -> Flow:
    if input_zero is not None and np.any(input_zero):
        raise DataError(f"{name}: inputs with a zero point are not supported")
    shift = np.int64(0) if zero is None else _array(name, zero).astype("int64")
    return operators.matrix(name, flow, _array(name, weights).astype("int64") - shift)


def _codes(name: str, attributes: dict, flow: Flow, codes: Any, scales: Any, *others: Any) -> Flow:
    """Return the product with the codes of ONNX Runtime's MatMulNBits, the lowest bits first."""
    if any(other is not None for other in others):
        raise DataError(f"{name}: zero points, an order and a bias are not supported")
    if attributes.get("accuracy_level", 0) > 1 and not _are_levels(flow):
        raise DataError(
            f"{name}: accuracy_level={attributes['accuracy_level']} rounds its inputs to 8 bits"
            " unless they are -1, 0 and 1 times one number"
        )
    bits, block, inputs = (attributes[key] for key in ("bits", "block_size", "K"))
    packed = _array(name, codes).reshape(attributes["N"], -1, 1)
    numbers = packed >> np.arange(0, 8, bits, dtype="uint8") & (2**bits - 1)
    centered = numbers.reshape(attributes["N"], -1, block).astype("float64") - 2 ** (bits - 1)
    weights = centered * _array(name, scales).reshape(attributes["N"], -1, 1)
    return operators.matrix(name, flow, weights.reshape(attributes["N"], -1)[:, :inputs].T)


def _are_levels(flow: Flow) -> bool:
    """Return whether a tensor is of units -1, 0 and 1 times one number."""
    if not isinstance(flow, Sums):
        return False
    plain = flow.whole and not flow.shift.any() and len(np.unique(np.abs(flow.scale))) == 1
    return plain and bool((flow.size <= np.abs(flow.scale)).all())


def _pad(
    name: str, attributes: dict, flow: Flow, pads: Any, value: Any = None, axes: Any = None
) -> Flow:
    if axes is not None:
        raise DataError(f"{name}: Pad of some axes is not supported; state all")
    widths = _array(name, pads).reshape(2, -1).T
    if attributes.get("mode", b"constant") != b"constant" or (widths < 0).any():
        raise DataError(f"{name}: Pad other than by a constant is not supported")
    return operators.pad(name, flow, widths, 0.0 if value is None else float(np.asarray(value)))


def _cast(name: str, attributes: dict, flow: Flow) -> Flow:
    from onnx import helper

    kind: Any = helper.tensor_dtype_to_np_dtype(attributes["to"])
    known = kind in (np.float32, np.float64)
    if isinstance(flow, Pieces) and (known or np.dtype(kind).kind in "biu"):
        return flow.mapped(lambda values: values.astype(kind))
    if not known:
        raise DataError(f"{name}: Cast of a real tensor to {kind} is not supported")
    return flow


def _whole_plane(flow: Flow) -> dict:
    return {"kernel_shape": list(flow.shape[2:])}


SINGLE: dict[str, Callable] = {  # operators of one tensor
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMulInteger": _integers,
    "MatMulNBits": _codes,
    "Pad": _pad,
    "MatMul": lambda name, _, flow, weights: operators.matrix(name, flow, _array(name, weights)),
    "BatchNormalization": batch_normalization,
    "MaxPool": pooling.max_pool,
    "AveragePool": pooling.average_pool,
    "GlobalMaxPool": lambda name, _, flow: pooling.max_pool(name, _whole_plane(flow), flow),
    "GlobalAveragePool": lambda name, _, flow: pooling.average_pool(name, _whole_plane(flow), flow),
    "Sign": lambda name, _, flow: operators.sign(name, flow),
    "Neg": lambda name, _, flow: operators.negative(name, flow),
    "Not": lambda name, _, flow: operators.comparison(name, "Less", flow, np.float32(0.5)),
    "Where": lambda name, _, *operands: operators.where(name, *operands),
    "Cast": _cast,
}


RECTIFIERS: dict[str, Callable] = {  # their slopes below 0
    "Relu": lambda *_: np.float32(0),
    "LeakyRelu": lambda _, attributes: np.float32(attributes.get("alpha", 0.01)),
    "PRelu": lambda name, _, slope: _array(name, slope),
}


def _array(name: str, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise DataError(f"{name}: its weights or slopes are not constant")
    return value


def _shape(value: Any) -> tuple[int, ...]:
    """Return the shape of a graph's input, without the batch axis."""
    batch, *sizes = value.type.tensor_type.shape.dim or [None]
    if batch is None or batch.dim_value > 1 or not all(size.dim_value for size in sizes):
        raise DataError(f"the input {value.name} must be one image of a fixed shape")
    return tuple(size.dim_value for size in sizes)
