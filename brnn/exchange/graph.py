"""ONNX graphs, node by node, and how ONNX Runtime runs them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

import brnn
from brnn.exchange import speed
from brnn.exchange.nodes import INPUT, OUTPUT

OPSET, IR_VERSION = 17, 8  # old enough for every runtime of today

Runtimes = dict[str, Callable[[np.ndarray], np.ndarray]]


class Graph:
    """A graph that is being written.

    Attributes:
        domains: versions of further sets of operators, by their names.
    """

    def __init__(self, domains: dict[str, int] | None = None):
        self.domains = domains or {}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: np.ndarray) -> str:
        """Add a constant and return its name."""
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return the name of its output, which is that of the node."""
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name, **attributes))
        return name

    def serialized(
        self, dtype: str, shape: tuple[int, ...], classes: int, rows: int | str
    ) -> bytes:
        """Return the model, from `INPUT` (rows, *shape) to `OUTPUT` (rows, classes), as a file.

        Args:
            dtype: of the input.
            shape: of one input.
            classes: the number of logits.
            rows: of a batch; a name for any number.

        Raises:
            onnx.checker.ValidationError: the graph is not valid.
        """
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        inputs = helper.make_tensor_value_info(INPUT, kind, (rows, *shape))
        outputs = helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, (rows, classes))
        graph = helper.make_graph(self._nodes, "brnn", [inputs], [outputs], self._constants)
        versions = {"": OPSET} | self.domains
        opsets = [helper.make_opsetid(domain, version) for domain, version in versions.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        model.producer_name, model.producer_version = "brnn", brnn.__version__
        onnx.checker.check_model(model)
        return model.SerializeToString()


def runtimes(content: bytes, prepared: Callable[[np.ndarray], np.ndarray]) -> Runtimes:
    """Return ONNX Runtime on a processor: as it is, row by row, and without optimizations.

    Args:
        content: of the file.
        prepared: maps inputs as a data set holds them to those of the graph.
    """
    usual = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    off = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return {
        "ONNX Runtime": partial(_run, content, prepared, usual, None),
        "ONNX Runtime, row by row": partial(_run, content, prepared, usual, 1),
        "ONNX Runtime without optimizations": partial(_run, content, prepared, off, None),
    }


def seconds(content: bytes, prepared: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> float:
    """Return the CPU seconds that ONNX Runtime takes for some inputs on one core."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, settings, ["CPUExecutionProvider"])
    inputs = {INPUT: prepared(x)}
    return speed.seconds(lambda: session.run([OUTPUT], inputs))


def _run(
    content: bytes,
    prepared: Callable[[np.ndarray], np.ndarray],
    level: onnxruntime.GraphOptimizationLevel,
    rows: int | None,
    x: np.ndarray,
) -> np.ndarray:
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = level
    session = onnxruntime.InferenceSession(content, settings, ["CPUExecutionProvider"])
    x, rows = prepared(x), rows or len(x)
    parts = [x[i : i + rows] for i in range(0, len(x), rows)]
    return np.concatenate([session.run([OUTPUT], {INPUT: part})[0] for part in parts])
