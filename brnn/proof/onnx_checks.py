"""Checks of ONNX nodes: none is in training, whole numbers are neither rounded nor too large."""

from typing import Any

import numpy as np

from brnn.errors import DataError
from brnn.exchange import onnx_file
from brnn.proof import operators
from brnn.proof.flows import Pieces, Sums
from brnn.proof.tensors import are_apart

LARGEST_WHOLE = 2.0**31  # of int32
UNCHANGED = ("Identity", "Dropout")
CLOSING = (  # operators on units, not on steps
    "Conv",
    "MatMul",
    "MatMulInteger",
    "MatMulNBits",
    "Gemm",
    "AveragePool",
    "GlobalAveragePool",
    "Pad",
    "BatchNormalization",
)


def check_inference(node: Any, name: str, inputs: list[Any]) -> None:
    """Refuse nodes that compute as in training.

    Raises:
        DataError: the node is in training.
    """
    flag = inputs[2] if node.op_type == "Dropout" and len(inputs) > 2 else None
    dropped = flag is not None and (not isinstance(flag, np.ndarray) or flag.any())
    statistics = node.op_type == "BatchNormalization" and len([*filter(None, node.output)]) > 1
    if dropped or statistics:
        raise DataError(f"{name}: {node.op_type} in training is not supported")


def check_integers(node: Any, name: str, inputs: list[Any], integers: dict[str, str]) -> None:
    """Refuse operators on whole numbers that round, or may leave their range.

    Step functions are known by the type of their values.

    Args:
        node: of the graph.
        name: of it, for messages.
        inputs: its tensors and constants.
        integers: the tensors of sums of whole numbers, and what made them, `Input` or
            `MatMulInteger`; the output of the node is added.

    Raises:
        DataError: a result may be rounded, or too large.
    """
    operator = node.op_type
    sources = [integers[i] for i in node.input if i in integers]
    kept = (*onnx_file.SHAPING, *UNCHANGED)
    exact = ("Add", "Sub", "Mul") if sources and "Input" not in sources else ()
    if sources:
        allowed = (*kept, *exact, *operators.COMPARISONS, "MatMulInteger", "Cast")
    else:
        of_steps = any(_are_whole_steps(value) for value in inputs)
        becomes_sums = operator in CLOSING or (
            operator in operators.ARITHMETIC and are_apart(inputs)
        )
        allowed = ("MatMulInteger",) if of_steps and becomes_sums else (operator,)
    if operator not in allowed:
        raise DataError(f"{name}: {operator} of whole numbers is not supported; cast them first")
    if operator == "MatMulInteger" or operator in exact:
        integers[node.output[0]] = "MatMulInteger"
    elif sources and operator in kept:
        integers[node.output[0]] = sources[0]


def check_whole_range(name: str, result: Any) -> None:
    """Refuse sums of whole numbers that int32 may not hold.

    Raises:
        DataError: they are too large.
    """
    if isinstance(result, Sums) and not (result.size < LARGEST_WHOLE).all():
        raise DataError(f"{name}: its whole numbers may leave the range of int32")


def _are_whole_steps(value: Any) -> bool:
    return isinstance(value, Pieces) and np.asarray(value.values).dtype.kind in "iu"
