"""Nets of ONNX as ONNX Runtime computes them."""

from typing import Any

import numpy as np

from brnn.errors import DataError, require
from brnn.exchange.onnx_file import SOFTMAX

ERRORS_ONLY = 3  # of the messages of ONNX Runtime


class Runtime:
    """A net of ONNX in ONNX Runtime, on a processor.

    Args:
        model: the net.

    Raises:
        ConfigError: the package onnxruntime is not installed.
        DataError: ONNX Runtime refuses the net.
    """

    def __init__(self, model: Any):
        require("onnxruntime", "brnn verify", "verify")
        import onnxruntime
        from onnx import ModelProto, helper

        copy = ModelProto()
        copy.CopyFrom(model)
        self.output = self.last = model.graph.output[0].name
        node = model.graph.node[-1]
        if node.op_type in SOFTMAX:
            self.last = node.input[0]
            copy.graph.output.append(helper.make_empty_tensor_value_info(self.last))
        self.input = copy.graph.input[0].name
        kind = copy.graph.input[0].type.tensor_type.elem_type
        self.dtype = helper.tensor_dtype_to_np_dtype(kind)
        self.single = copy.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERRORS_ONLY
        try:
            self.session = onnxruntime.InferenceSession(
                copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise DataError(f"ONNX Runtime refuses the net: {error}") from error

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits (b, c), before a softmax, of images (b, ...)."""
        return self._run(self.last, images)

    def outputs(self, images: np.ndarray) -> np.ndarray:
        """Return the outputs (b, c) of the net."""
        return self._run(self.output, images)

    def _run(self, name: str, images: np.ndarray) -> np.ndarray:
        batches = np.split(images, len(images)) if self.single else [images]
        rows = [self.session.run([name], {self.input: x.astype(self.dtype)})[0] for x in batches]
        return np.concatenate([np.asarray(row) for row in rows])
