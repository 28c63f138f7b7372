"""Archives of bnn-verification as models of ONNX: input normalization and sign, then blocks.

A block has weights of -1 and +1, a bias, a normalization and a sign, which is +1 at 0. The last
layer has a real bias. The archives lack the epsilon of the normalizations.

References:
    https://github.com/msakai/bnn-verification
"""

from pathlib import Path
from typing import Any

import numpy as np

from brnn.errors import ConfigError, DataError, require

OPSET, IR_VERSION = 15, 8
LARGEST = 255  # grey level, by which the nets divide


def load(path: Path, arrays: dict[str, np.ndarray], variance_epsilon: float | None) -> Any:
    """Return the model of an archive (.npz), of grey levels (pixels,).

    Args:
        path: of the archive, for messages.
        arrays: its arrays.
        variance_epsilon: that every normalization adds to its variance.

    Raises:
        ConfigError: the package onnx is not installed, or `variance_epsilon` is not given.
        DataError: the archive holds something else.
    """
    require("onnx", "brnn verify", "verify")
    from onnx import TensorProto, helper, numpy_helper

    try:
        blocks = sum(name.startswith("blocks/") and name.endswith("lin/W") for name in arrays)
        pixels, classes = len(arrays["input_bn/gamma"]), len(arrays["output_lin/W"])
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{path} is neither an archive of format=levels nor one of bnn-verification: it lacks"
            f" {error}"
        ) from error
    if variance_epsilon is None:
        raise ConfigError(
            f"{path} lacks the epsilon of its batch normalizations: add variance_epsilon=2e-05,"
            " as bnn-verification has it"
        )
    constants: dict[str, Any] = {name: values for name, values in arrays.items() if values.ndim}
    constants |= {k: v.T for k, v in constants.items() if k.endswith("lin/W")}
    constants |= {"zero": np.float32(0), "one": np.float32(1), "minus_one": np.float32(-1)}
    constants["largest"] = np.float32(LARGEST)
    nodes = [helper.make_node("Div", ["x", "largest"], ["pixels"], "pixels")]
    nodes += _sign(helper, "pixels", "input_bn", variance_epsilon)
    x = "input_bn/sign"
    for number in range(blocks):
        block = f"blocks/{number}"
        nodes += _linear(helper, x, f"{block}/lin")
        nodes += _sign(helper, f"{block}/lin", f"{block}/bn", variance_epsilon)
        x = f"{block}/bn/sign"
    nodes += _linear(helper, x, "output_lin")
    missing = {name for node in nodes for name in node.input} - {*constants, "x"}
    missing -= {node.output[0] for node in nodes}
    if missing:
        raise DataError(f"{path} is not an archive of bnn-verification: it lacks {min(missing)}")
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", pixels])],
        [helper.make_tensor_value_info("output_lin", TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(np.asarray(v, "float32"), name) for name, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def _linear(helper: Any, x: str, name: str) -> list[Any]:
    """Return the nodes of a product, and of the sum with a bias."""
    product = f"{name}/product"
    return [
        helper.make_node("MatMul", [x, f"{name}/W"], [product], product),
        helper.make_node("Add", [product, f"{name}/b"], [name], name),
    ]


def _sign(helper: Any, x: str, name: str, epsilon: float) -> list[Any]:
    """Return the nodes of a normalization, and of a sign behind it."""
    values = [f"{name}/{part}" for part in ("gamma", "beta", "avg_mean", "avg_var")]
    return [
        helper.make_node("BatchNormalization", [x, *values], [name], name, epsilon=epsilon),
        helper.make_node("GreaterOrEqual", [name, "zero"], [f"{name}/above"], f"{name}/above"),
        helper.make_node(
            "Where", [f"{name}/above", "one", "minus_one"], [f"{name}/sign"], f"{name}/sign"
        ),
    ]
