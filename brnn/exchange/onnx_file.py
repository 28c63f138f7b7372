"""Files of ONNX, read by the package `onnx`."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from brnn.errors import DataError, require


def load(path: Path, feature: str, extra: str) -> Any:
    """Return the model of a file, which may be compressed by gzip.

    Args:
        path: of the file.
        feature: what needs the package, for messages.
        extra: that installs it.

    Raises:
        ConfigError: the package onnx is not installed.
        DataError: the file cannot be read.
    """
    require("onnx", feature, extra)
    import onnx

    try:
        data = path.read_bytes()
        model = onnx.load_from_string(gzip.decompress(data) if path.suffix == ".gz" else data)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except Exception as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not a complete file of ONNX: {reason}") from error
    if not model.graph.output:
        raise DataError(f"{path} is not a complete file of ONNX: it has no output")
    return model


def attributes(node: Any) -> dict[str, Any]:
    """Return the attributes of a node by their names."""
    from onnx import helper

    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def constant(model: Any, node: Any, name: str, inputs: list[np.ndarray | None]) -> np.ndarray:
    """Return what a node of constants computes.

    Raises:
        DataError: the reference implementation of onnx does not know it.
    """
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    names = [i for i in node.input if i]
    infos = [helper.make_empty_tensor_value_info(i) for i in names]
    outputs = [helper.make_empty_tensor_value_info(i) for i in node.output]
    graph = helper.make_graph([node], "constant", infos, outputs)
    made = helper.make_model(graph, opset_imports=model.opset_import)
    try:
        feed = {i: value for i, value in zip(node.input, inputs, strict=True) if i}
        results: Any = ReferenceEvaluator(made).run(None, feed)
        return np.asarray(results[0])
    except Exception as error:
        raise DataError(f"{name}: not supported ({error})") from error
