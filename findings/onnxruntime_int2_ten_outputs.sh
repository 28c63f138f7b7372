#!/usr/bin/env bash
# ONNX Runtime 1.32.0: a dense layer with INT2 weights and ten outputs gives wrong sums by default.
#
# The graph is DequantizeLinear (INT2 weights of -1 and 1, one scale) and MatMul, valid in opset 25.
# With optimizations switched off the sums equal NumPy's. At the default level the two nodes are
# replaced by one, whose result is wrong where the number of outputs is no multiple of four, as in
# every classifier of ten classes. The last lines that were seen:
#   12 outputs: largest error 0 without optimization, 0 by default
#   10 outputs: largest error 0 without optimization, above 1 by default
# The script fails when this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 ml_dtypes==0.5.4
"$folder/venv/bin/python" - <<'PYTHON'
import ml_dtypes
import numpy as np
import onnxruntime as ort
from onnx import TensorProto, checker, helper


def sums(weights, x, level):
    codes = helper.make_tensor(
        "codes", TensorProto.INT2, weights.shape, weights.astype(ml_dtypes.int2).ravel()
    )
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [1.0])
    nodes = [
        helper.make_node("DequantizeLinear", ["codes", "scale"], ["weights"]),
        helper.make_node("MatMul", ["x", "weights"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", weights.shape[0]])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", weights.shape[1]])]
    graph = helper.make_graph(nodes, "dense", inputs, outputs, [codes, scale])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=11)
    checker.check_model(model, full_check=True)
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


rng = np.random.default_rng(0)
x = rng.choice([-1, 1], (64, 256)).astype("float32")
found = {}
for units in (12, 10):
    weights = rng.choice([-1, 1], (256, units)).astype("int8")
    exact = x @ weights.astype("float32")
    off, default = (
        float(np.abs(sums(weights, x, level) - exact).max())
        for level in (
            ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
            ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
        )
    )
    print(f"{units} outputs: largest error {off:g} without optimization, {default:g} by default")
    found[units] = (off, default)
print("onnxruntime", ort.__version__)
assert found[12] == (0, 0)
assert found[10][0] == 0
assert found[10][1] > 1
PYTHON
