"""Train nets in Larq, as a contender of `experiments.speed` in an interpreter of its own.

Command    <interpreter> experiments/larq_speed.py <net, as JSON> <data.npz>
           (as `experiments.speed` starts it)
Needs      what `experiments.speed` prints if LARQ_PYTHON is not set
Output     one epoch of training for each line of the input, then the line `done`. Kernels and
           activations are +-1, with a straight-through estimator behind them; biases are real.
"""

import json
import sys

import larq
import numpy as np
import tensorflow as tf


def main() -> None:
    """Train one epoch per line until the input ends."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    net = json.loads(sys.argv[1])
    with np.load(sys.argv[2]) as data:
        epoch = _fit(net, data["x"], data["y"])
    for _ in sys.stdin:
        epoch()
        print("done", flush=True)


def _fit(net, x, y):
    model = larq_model(net, x.shape[1:])
    keys = {"jit_compile": net["compile"], "steps_per_execution": 50} if net["best"] else {}
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        tf.keras.optimizers.Adam(net["learning_rate"]), loss, metrics=["accuracy"], **keys
    )
    if not net["best"]:
        return lambda: model.fit(x, y, batch_size=net["batch_size"], verbose=0)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(len(x))
    batches = batches.batch(net["batch_size"], drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    return lambda: model.fit(batches, verbose=0)


def larq_model(net, shape):
    """Return the layers of a net, each given by its kind and its arguments."""
    layers, quantized = tf.keras.layers, larq.layers
    binary = {"kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
    kinds = {
        "convolution": lambda n, size: quantized.QuantConv2D(n, size, **binary),
        "dense": lambda n: quantized.QuantDense(n, **binary),
        "flatten": layers.Flatten,
        "normalization": lambda: layers.BatchNormalization(momentum=0.9),
        "padding": layers.ZeroPadding2D,
        "pool": layers.MaxPooling2D,
        "reshape": layers.Reshape,
        "sign": larq.quantizers.SteSign,
    }
    model = tf.keras.Sequential([tf.keras.Input(shape)])
    for kind, *arguments in net["layers"]:
        model.add(kinds[kind](*arguments))
    return model


if __name__ == "__main__":
    main()
