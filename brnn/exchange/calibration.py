"""Batch normalizations of nets that come from files, made fit for a training.

A file has thresholds or factors, not the statistics of the sums before them. A training normalizes
by those of each batch, so that it would move every threshold in its first step.
"""

from functools import partial

import keras
import numpy as np
from keras.layers import Activation, BatchNormalization

from brnn.exchange.incoming import SIGN
from brnn.quantization import quantizers


def calibrate(model: keras.Model, quantizer: str | None, x: np.ndarray) -> None:
    """Give each batch normalization the statistics of its inputs, and change no output by it.

    Before a sign, whose levels do not depend on the size of its inputs, the outputs are also scaled
    to a variance of about 1, as estimators expect it.

    Args:
        model: a net with `keras.layers.Activation` in place of quantizers.
        quantizer: of the activations; None where there are none.
        x: inputs (n, *shape), pixels in [0, 1].
    """
    normalizations = [layer for layer in model.layers if isinstance(layer, BatchNormalization)]
    discrete = _quantized(model, quantizer)
    inputs = [discrete.get_layer(layer.name).input for layer in normalizations]
    signed = [layer.input for layer in model.layers if isinstance(layer, Activation)]
    sums = keras.Model(discrete.input, inputs)(x)
    for layer, of_layer in zip(normalizations, sums, strict=True):
        is_signed = any(layer.output is tensor for tensor in signed)
        _calibrate(layer, np.asarray(of_layer, "float64"), quantizer == SIGN and is_signed)


def _quantized(model: keras.Model, quantizer: str | None) -> keras.Model:
    """Return a net with quantizers in the place of its activations."""
    if quantizer is None:
        return model
    quantize = partial(getattr(quantizers, quantizer), noise=None, scale=1.0)

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, Activation):
            return Activation(quantize, name=layer.name)
        return type(layer).from_config(layer.get_config())

    result = keras.models.clone_model(model, clone_function=clone)
    result.set_weights(model.get_weights())
    return result


def _calibrate(layer: BatchNormalization, sums: np.ndarray, scaled: bool) -> None:
    gamma, beta, mean, variance = (v.astype("float64") for v in layer.get_weights())
    factor = gamma / np.sqrt(variance + layer.epsilon)
    shift = beta - mean * factor
    sums = sums.reshape(-1, sums.shape[-1])
    mean, variance = sums.mean(axis=0), sums.var(axis=0)
    gamma, beta = factor * np.sqrt(variance + layer.epsilon), shift + factor * mean
    size = np.where(scaled & (gamma != 0), np.abs(gamma), 1.0)
    layer.set_weights([gamma / size, beta / size, mean, variance])
