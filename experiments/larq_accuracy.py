"""Train nets in Larq and print their accuracies, for `experiments.recipes.larq`.

Command    <interpreter> experiments/larq_accuracy.py <net, as JSON> <data.npz>
           (as `experiments.recipes.larq` starts it)
Output     for each seed a line of JSON: the test accuracy after the epoch with the best validation
           accuracy. Kernels and activations are +-1, with a straight-through estimator behind them;
           biases are real. Adam with a cosine schedule, and the squared hinge loss.
"""

import json
import sys

import numpy as np
import tensorflow as tf
from larq_speed import larq_model


def main() -> None:
    """Train a net for each seed."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    net = json.loads(sys.argv[1])
    with np.load(sys.argv[2]) as file:
        data = dict(file)
    for seed in range(net["seeds"]):
        print(json.dumps(_accuracy(net, data, seed)), flush=True)


def _accuracy(net, data, seed):
    tf.keras.utils.set_random_seed(seed)
    model = larq_model(net, data["x_train"].shape[1:])
    steps = len(data["x_train"]) // net["batch_size"] * net["epochs"]
    rate = tf.keras.optimizers.schedules.CosineDecay(net["learning_rate"], steps)
    adam = tf.keras.optimizers.Adam(rate, epsilon=net["epsilon"], clipvalue=net["clipvalue"])
    model.compile(adam, _squared_hinge, metrics=["accuracy"])
    batches = tf.data.Dataset.from_tensor_slices((data["x_train"], data["y_train"]))
    batches = batches.cache().shuffle(len(data["x_train"]))
    batches = batches.batch(net["batch_size"], drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    best = (0.0, 0.0)
    for _ in range(net["epochs"]):
        model.fit(batches, verbose=0)
        scores = [
            model.evaluate(data[f"x_{split}"], data[f"y_{split}"], batch_size=500, verbose=0)[1]
            for split in ("validation", "test")
        ]
        best = max(best, tuple(scores), key=lambda pair: pair[0])
    return best[1]


def _squared_hinge(labels, outputs):
    labels = tf.cast(tf.reshape(labels, [-1]), tf.int32)
    targets = 2.0 * tf.one_hot(labels, outputs.shape[-1]) - 1.0
    return tf.reduce_mean(tf.square(tf.maximum(1.0 - targets * outputs, 0.0)), axis=-1)


if __name__ == "__main__":
    main()
