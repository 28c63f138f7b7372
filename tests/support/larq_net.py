"""Write a net of Larq and its outputs: `python larq_net.py FILE.h5 FILE.npz`, with Larq installed.

It needs larq 0.14 on TensorFlow 2.15, in an environment of its own.
"""

import sys

import larq as lq
import numpy as np
import tensorflow as tf


def main(path, outputs):
    tf.keras.utils.set_random_seed(0)
    binary = {"kernel_quantizer": "ste_sign", "use_bias": False}
    layers = [
        lq.layers.QuantConv2D(4, 3, **binary, input_shape=(8, 8, 1)),
        tf.keras.layers.MaxPooling2D(2),
        tf.keras.layers.BatchNormalization(),
        lq.layers.QuantDepthwiseConv2D(
            2, input_quantizer="ste_sign", depthwise_quantizer="ste_sign", padding="same"
        ),
        tf.keras.layers.BatchNormalization(scale=False),
        lq.layers.QuantConv2D(
            6, 3, input_quantizer="ste_sign", kernel_quantizer="magnitude_aware_sign", strides=2,
            padding="same",
        ),
        tf.keras.layers.BatchNormalization(),
        tf.keras.layers.Flatten(),
        lq.layers.QuantDense(5, input_quantizer="ste_sign", **binary),
        tf.keras.layers.BatchNormalization(),
        lq.layers.QuantDense(3, input_quantizer="ste_sign", kernel_quantizer="ste_sign"),
        tf.keras.layers.Activation("softmax"),
    ]  # fmt: skip
    model = tf.keras.Sequential(layers)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (100, 8, 8), dtype="uint8")
    x[::2] = np.where(x[::2] < 128, 0, 255)
    values = x[..., None].astype("float32") / 255
    for layer in model.layers:  # normalized by these pixels, so that no sign is constant
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            axes = tuple(range(values.ndim - 1))
            scales = layer.get_weights()[:-2]
            scales = [rng.normal(0, 0.3, weight.shape) for weight in scales]
            scales[-1] *= 0.3
            layer.set_weights([*scales, values.mean(axes), values.var(axes) + 0.01])
        values = layer(values).numpy()
    model.save(path)
    pixels = x[..., None].astype("float32") * np.float32(1 / 255)
    np.savez_compressed(outputs, x=x, probabilities=model(pixels).numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
