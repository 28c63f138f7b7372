"""Write nets of Larq and their outputs: `python larq_nets.py FOLDER`, with Larq installed.

It needs larq 0.14 on TensorFlow 2.15, in an environment of its own.
"""

import sys
from pathlib import Path

import larq as lq
import numpy as np
import tensorflow as tf

IMAGE = (8, 8, 1)


def signs():
    """Return layers of the quantizer `ste_sign`, and a scaled kernel."""
    binary = {"kernel_quantizer": "ste_sign", "use_bias": False}
    return [
        lq.layers.QuantConv2D(4, 3, **binary, input_shape=IMAGE),
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


def bits():
    """Return layers of all other quantizers of two levels, with pads of 1 and of 0."""
    bit = lq.quantizers.DoReFa(k_bit=1)
    return [
        lq.layers.QuantConv2D(
            4, 3, kernel_quantizer="approx_sign", padding="same", pad_values=1.0, input_shape=IMAGE
        ),
        tf.keras.layers.BatchNormalization(),
        tf.keras.layers.MaxPooling2D(2),
        lq.layers.QuantConv2D(
            5, 3, input_quantizer="approx_sign", padding="same", pad_values=1.0, strides=(1, 2),
            kernel_quantizer=lq.quantizers.DoReFa(k_bit=1, mode="weights"),
        ),
        tf.keras.layers.BatchNormalization(center=False),
        lq.layers.QuantDepthwiseConv2D(
            2, input_quantizer="ste_heaviside", padding="same",
            depthwise_quantizer=lq.quantizers.SwishSign(beta=3.0),
        ),
        tf.keras.layers.BatchNormalization(),
        lq.quantizers.SteHeaviside(),
        tf.keras.layers.MaxPooling2D(2),
        tf.keras.layers.Flatten(),
        lq.layers.QuantDense(7, input_quantizer="ste_heaviside", kernel_quantizer="ste_heaviside"),
        tf.keras.layers.BatchNormalization(),
        lq.layers.QuantDense(6, input_quantizer=bit, kernel_quantizer="swish_sign"),
        tf.keras.layers.BatchNormalization(),
        lq.layers.QuantDense(3, input_quantizer="swish_sign", kernel_quantizer="ste_sign"),
    ]  # fmt: skip


def ternary():
    """Return layers of three levels."""
    tern = lq.quantizers.SteTern
    return [
        lq.layers.QuantConv2D(4, 3, kernel_quantizer="ste_tern", input_shape=IMAGE),
        tf.keras.layers.BatchNormalization(),
        lq.layers.QuantConv2D(
            5, 2, input_quantizer="ste_tern", kernel_quantizer=tern(threshold_value=0.1),
            padding="same", pad_values=1.0,
        ),
        tf.keras.layers.MaxPooling2D(2),
        tf.keras.layers.BatchNormalization(),
        tf.keras.layers.Flatten(),
        lq.layers.QuantDense(
            3, input_quantizer=tern(threshold_value=0.3),
            kernel_quantizer=tern(ternary_weight_networks=True),
        ),
    ]  # fmt: skip


def write(make, folder):
    """Write a net of random weights, and its outputs."""
    tf.keras.utils.set_random_seed(0)
    model = tf.keras.Sequential(make())
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (100, 8, 8), dtype="uint8")
    x[::2] = np.where(x[::2] < 128, 0, 255)
    values = x[..., None].astype("float32") / 255
    for layer in model.layers:  # normalized by these pixels, so that no level is constant
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            axes = tuple(range(values.ndim - 1))
            scales = layer.get_weights()[:-2]
            scales = [rng.normal(0, 0.3, weight.shape) for weight in scales]
            scales[-1] *= 0.3
            layer.set_weights([*scales, values.mean(axes), values.var(axes) + 0.01])
        values = layer(values).numpy()
    model.save(folder / f"{make.__name__}.h5")
    pixels = x[..., None].astype("float32") * np.float32(1 / 255)
    np.savez_compressed(folder / make.__name__, x=x, outputs=model(pixels).numpy())


if __name__ == "__main__":
    for make in (signs, bits, ternary):
        write(make, Path(sys.argv[1]))
