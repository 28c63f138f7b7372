#!/usr/bin/env bash
# ONNX Runtime 1.32.0: a float32 product after DequantizeLinear rounds its inputs to eight bits.
#
# The graph is DequantizeLinear (INT8 weights of -1 and 1, scale 1) and MatMul of float32 inputs.
# The standard defines the product in float32. By default the two nodes become MatMulNBits with
# accuracy_level 4, which rounds each block of inputs to eight bits: sums of 784 grey pixels are off
# by about a quarter, and a sign after them flips where a sum is small. With optimizations switched
# off the error is that of float32. The lines that were seen:
#   without optimization: largest error below 0.0001
#   by default: largest error above 0.1
# The script fails when this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime as ort
from onnx import TensorProto, checker, helper, numpy_helper

rng = np.random.default_rng(0)
weights = rng.choice([-1, 1], (784, 64)).astype("int8")
pixels = (rng.integers(0, 256, (200, 784)) / 255).astype("float32")
constants = [
    numpy_helper.from_array(weights, "codes"),
    numpy_helper.from_array(np.float32(1), "scale"),
]
nodes = [
    helper.make_node("DequantizeLinear", ["codes", "scale"], ["weights"]),
    helper.make_node("MatMul", ["x", "weights"], ["y"]),
]
inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 784])]
outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 64])]
graph = helper.make_graph(nodes, "dense", inputs, outputs, constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
checker.check_model(model, full_check=True)
exact = pixels.astype("float64") @ weights.astype("float64")
errors = []
for name, level in (
    ("without optimization", ort.GraphOptimizationLevel.ORT_DISABLE_ALL),
    ("by default", ort.GraphOptimizationLevel.ORT_ENABLE_ALL),
):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    errors.append(float(np.abs(session.run(None, {"x": pixels})[0] - exact).max()))
    print(f"{name}: largest error {errors[-1]:.6f}")
print("onnxruntime", ort.__version__)
assert errors[0] < 1e-4
assert errors[1] > 0.1
PYTHON
