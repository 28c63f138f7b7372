"""Nets of ONNX as ONNX Runtime computes them."""

from typing import Any

import numpy as np

from brnn.errors import DataError, require
from brnn.exchange.onnx_file import ends_in_softmax

ERRORS_ONLY = 3  # of the messages of ONNX Runtime


class Runtime:
    """A net of ONNX in ONNX Runtime, on a processor, operator by operator.

    Its optimizations, which fold factors and biases into weights, are off: they make another net in
    float32, whose sums of levels are no longer exact.

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
        if ends_in_softmax(model.graph):
            self.last = model.graph.node[-1].input[0]
            copy.graph.output.append(helper.make_empty_tensor_value_info(self.last))
        self.input = copy.graph.input[0].name
        kind = copy.graph.input[0].type.tensor_type.elem_type
        self.dtype = helper.tensor_dtype_to_np_dtype(kind)
        self.single = copy.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERRORS_ONLY
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
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
        if self.dtype.kind in "iu":
            limits = np.iinfo(self.dtype)
            if images.min() < limits.min or images.max() > limits.max:
                raise DataError(f"the net takes {self.dtype}: pixels must fit into it")
        batches = np.split(images, len(images)) if self.single else [images]
        rows = [self.session.run([name], {self.input: x.astype(self.dtype)})[0] for x in batches]
        return np.concatenate([np.asarray(row) for row in rows])
