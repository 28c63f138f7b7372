"""The layers of any Keras model, and what the manager needs to know of them."""

from collections.abc import Iterator

import keras

from brnn.errors import ConfigError
from brnn.quantization.layers import QuantActivation


def layers_of(model: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yield the layers of a model, those of nested models and of wrappers included."""
    for layer in getattr(model, "layers", []):
        yield layer
        yield from layers_of(layer)
    for key in ("layer", "cell", "forward_layer", "backward_layer"):
        if isinstance(inner := getattr(model, key, None), keras.layers.Layer):
            yield inner
            yield from layers_of(inner)


def activations_of(model: keras.Model) -> list[QuantActivation]:
    """Return the quantized activations of a model that have a position, those of cells included."""
    parts = [
        part for layer in layers_of(model) for part in (layer, getattr(layer, "activation", 0))
    ]
    quantized = [part for part in parts if isinstance(part, QuantActivation)]
    return list({id(part): part for part in quantized if part.position is not None}.values())


def shapes_of(model: keras.Model) -> list[tuple[int, ...]]:
    """Return the shapes of the trainable variables, with output channels on the last axis."""
    alone = keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D
    separable = keras.layers.SeparableConv1D | keras.layers.SeparableConv2D
    depthwise = {id(layer.kernel) for layer in layers_of(model) if isinstance(layer, alone)}
    depthwise |= {
        id(layer.depthwise_kernel) for layer in layers_of(model) if isinstance(layer, separable)
    }
    return [
        (*v.shape[:-2], 1, v.shape[-2] * v.shape[-1]) if id(v) in depthwise else tuple(v.shape)
        for v in model.trainable_variables
    ]


def transposed_kernels(model: keras.Model) -> list[keras.Variable]:
    """Return the kernels of transposed convolutions, whose last axis is that of inputs."""
    kinds = (
        keras.layers.Conv1DTranspose,
        keras.layers.Conv2DTranspose,
        keras.layers.Conv3DTranspose,
    )
    return [layer.kernel for layer in layers_of(model) if isinstance(layer, kinds)]


def check_precision(model: keras.Model) -> None:
    """Refuse layers that compute in another type of floats, in which levels would be rounded."""
    for layer in [model, *layers_of(model)]:
        if "float" in layer.compute_dtype and layer.compute_dtype != "float32":
            raise ConfigError(
                f"{layer.name} has the dtype policy {layer.dtype_policy.name}, but discretized nets"
                " compute in float32: make the model under"
                " keras.mixed_precision.set_global_policy('float32')"
            )
