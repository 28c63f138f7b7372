#!/usr/bin/env bash
# TensorFlow 2.21.0: in a loop that XLA compiles, a convolution is tens of times slower.
#
# Five steps of gradient descent on one convolution of 3 by 3, 32 to 32 channels, on 100 maps of 14
# by 14, in tf.while_loop: the same function in graph mode (oneDNN) and with jit_compile=True, timed
# in turn on a processor. One step without the loop takes XLA only 1.4 to 1.6 times as long, so a
# measurement of single steps does not show it. The line that was seen on two cores with AVX-512:
#   in a loop XLA takes 68.1 times the time of graph mode
# The script fails when the ratio falls below 10.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tensorflow==2.21.0
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - 2>"$folder/err" <<'PYTHON'
import statistics
import time

import tensorflow as tf

x = tf.random.stateless_normal((100, 14, 14, 32), (0, 1))
kernel = tf.random.stateless_normal((3, 3, 32, 32), (0, 2))


def step(number, kernel):
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        y = tf.reduce_mean(tf.nn.conv2d(x, kernel, 1, "SAME") ** 2)
    return number + 1, kernel - 0.001 * tape.gradient(y, kernel)


def five_steps(kernel):
    return tf.while_loop(lambda number, _: number < 5, step, (0, kernel))[1]


names = ("graph mode", "XLA")
forms = {name: tf.function(five_steps, jit_compile=name == "XLA") for name in names}
seconds = {name: [] for name in names}
for turn in range(6):
    for name, form in forms.items():
        began = time.perf_counter()
        form(kernel).numpy()
        seconds[name].append(time.perf_counter() - began)
medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
ratio = medians["XLA"] / medians["graph mode"]
print(", ".join(f"{name} {1000 * median:.1f} ms" for name, median in medians.items()))
print(f"in a loop XLA takes {ratio:.1f} times the time of graph mode; tensorflow {tf.__version__}")
assert ratio > 10
PYTHON
