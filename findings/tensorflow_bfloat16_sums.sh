#!/usr/bin/env bash
# TensorFlow 2.21.0: exact sums of bfloat16 need XLA, and their gradients have another type.
#
# A sum of 257 products of ones is 257, which bfloat16 does not hold. `tf.matmul` takes
# output_type=tf.float32 for bfloat16, but graph mode on a processor has no such kernel; XLA returns
# 257. The gradients with respect to the inputs of bfloat16 are then float32, so that one that is
# added to another gradient of the same input meets a tensor of another type. The lines that were
# seen:
#   graph bfloat16: 256
#   graph float32: InvalidArgumentError
#   XLA bfloat16: 256
#   XLA float32: 257
#   gradients of bfloat16 inputs: float32, float32
# The script fails when this changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.21.0 2>/dev/null
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - 2>"$folder/err" <<'PYTHON'
import tensorflow as tf

left, right = tf.ones((1, 257), tf.bfloat16), tf.ones((257, 1), tf.bfloat16)


def result(output_type, compiled):
    product = tf.function(
        lambda a, b: tf.matmul(a, b, output_type=output_type), jit_compile=compiled
    )
    try:
        return f"{float(product(left, right)[0, 0]):.0f}"
    except tf.errors.InvalidArgumentError as error:
        return type(error).__name__


@tf.function(jit_compile=True)
def gradients(a, b):
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        product = tf.matmul(a, b, output_type=tf.float32)
    return tape.gradient(product, [a, b])


seen = [
    f"{name} {output_type.name}: {result(output_type, compiled)}"
    for name, compiled in (("graph", False), ("XLA", True))
    for output_type in (tf.bfloat16, tf.float32)
]
types = ", ".join(gradient.dtype.name for gradient in gradients(left, right))
seen.append(f"gradients of bfloat16 inputs: {types}")
print("TensorFlow", tf.__version__, *seen, sep="\n")
assert seen == [
    "graph bfloat16: 256",
    "graph float32: InvalidArgumentError",
    "XLA bfloat16: 256",
    "XLA float32: 257",
    "gradients of bfloat16 inputs: float32, float32",
]
PYTHON
