"""Nets that were read from files, with the activations of their precision."""

from functools import partial

import keras

from brnn.quantization import estimators, quantizers
from brnn.quantization.layers import QuantActivation


def quantized(imported):
    """The model of an imported net, with quantizers in place of its activations."""
    activation = dict(imported.precision["activation"])
    quantizer = partial(getattr(quantizers, activation.pop("quantizer")), **activation)

    def clone(layer):
        if isinstance(layer, keras.layers.Activation):
            return QuantActivation(quantizer, estimators.identity, 1, name=layer.name)
        return type(layer).from_config(layer.get_config())

    model = keras.models.clone_model(imported.model, clone_function=clone)
    model.set_weights(imported.model.get_weights())
    return model
