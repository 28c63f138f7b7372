"""How the package `qonnx` executes a file."""

import numpy as np
import onnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

from brnn.exchange import speed
from brnn.exchange.nodes import INPUT, OUTPUT, to_pixels


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    """Return the logits (n, classes) of bytes or pixels (n, *shape), all in one batch."""
    return execute_onnx(_of_rows(content, len(x)), {INPUT: to_pixels(x)})[OUTPUT]


def seconds(content: bytes, x: np.ndarray) -> float:
    """Return the CPU seconds that the package takes for some inputs."""
    model, inputs = _of_rows(content, len(x)), {INPUT: to_pixels(x)}
    return speed.seconds(lambda: execute_onnx(model, inputs))


def _of_rows(content: bytes, rows: int) -> ModelWrapper:
    proto = onnx.load_from_string(content)
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = rows
    return ModelWrapper(proto).transform(InferShapes())
