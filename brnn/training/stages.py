"""The layers after a product, in stages, each of which reads memory few times in graph mode."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from brnn.contracts import Array
from brnn.quantization.annealing import step_value
from brnn.quantization.layers import QuantActivation, reads_signs
from brnn.training.fused import joined, normalized, pooled

JOINED = (  # layers that XLA joins into few loops
    QuantActivation,
    keras.layers.Activation,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.ZeroPadding2D,
)

Kind = Literal["pooled", "normalized", "joined", "other"]


@dataclass(frozen=True)
class Affine:
    """What makes the outputs of a layer of its sums: `activation(scale (sums + shift))`.

    The shift is added first, so that a sum which cancels it is exactly 0.

    Args:
        scale: positive.
        shift: one number for each unit or channel; None for 0.
        activation: that of the layer.
    """

    scale: float
    shift: Array | None
    activation: Callable[[Array], Array]

    def __call__(self, sums: Array, shift: Array | None) -> Array:
        x = tf.cast(sums, tf.float32)
        if shift is not None:
            x += shift
        return self.activation(x if self.scale == 1 else x * np.float32(self.scale))


@dataclass(frozen=True)
class Stage:
    """Layers that follow each other, and how they are computed.

    Args:
        kind: a function of `brnn.training.fused`, or `other`: as they are.
        layers: the layers.
        model: calls them; None where there is none.
    """

    kind: Kind
    layers: Sequence[Any] = ()
    model: keras.Model | None = None

    def __call__(self, x: Array, training: bool) -> Array:
        return x if self.model is None else self.model(x, training=training)


def stages(layers: Sequence[Any], training: bool) -> list[Stage]:
    """Return the stages of the layers that follow the first of some layers, a product.

    The last stage is a joined one, and so is the first that is not pooling, unless it is batch
    normalization of the product itself.
    """
    product, *following = layers
    found, before = [], product
    for kind, group in groupby(following, key=lambda layer: _kind(layer, training)):
        members = list(group)
        for piece in (
            [[layer] for layer in members] if kind in ("pooled", "normalized") else [members]
        ):
            found.append(Stage(kind, piece, keras.Model(before.output, piece[-1].output)))
            before = piece[-1]
    if not found or found[-1].kind != "joined":
        found.append(Stage("joined"))
    if product.activation is not keras.activations.linear:
        return [Stage("joined"), *found]
    first = next(index for index, stage in enumerate(found) if stage.kind != "pooled")
    if found[first].kind == "other":
        found.insert(first, Stage("joined"))
    return found


def outputs(
    stages: Sequence[Stage],
    sums: Array,
    affine: Affine,
    encode: Callable[[Array], Array],
    training: bool,
) -> Array:
    """Return what the stages make of the outputs of a product, encoded for the next product.

    Args:
        stages: as `stages` returns them.
        sums: those of the product.
        affine: makes its outputs of them.
        encode: makes its codes of the inputs of the next product.
        training: as in Keras.
    """
    x: Array = sums
    pending: Affine | None = affine
    for stage, following in zip(stages, [*stages[1:], None], strict=True):
        if stage.kind == "pooled":
            x = pooled(x, stage.layers[0].pool_size[0])
        elif stage.kind == "other":
            x = stage(x, training)
        elif stage.kind == "normalized":
            scale, shift = (pending.scale, pending.shift) if pending else (1.0, None)
            if x.dtype != tf.bfloat16 or not _reads_signs(following):
                x = tf.cast(x, tf.float32)
            x = normalized(stage.layers[0], x, scale, shift)
            pending = None
        else:
            last = encode if stage is stages[-1] else None
            x = _joined(stage, x, pending, last, training)
            pending = None
    return x


def _reads_signs(stage: Stage | None) -> bool:
    """Return whether a stage reads only the signs of its inputs, which bfloat16 keeps."""
    if stage is None or stage.kind != "joined" or not stage.layers:
        return False
    activation = stage.layers[0]
    with tf.init_scope():  # a quantizer is called with numbers, also while a graph is traced
        return isinstance(activation, QuantActivation) and reads_signs(activation.quantizer)


def _joined(
    stage: Stage,
    x: Array,
    affine: Affine | None,
    encode: Callable[[Array], Array] | None,
    training: bool,
) -> Array:
    def function(x: Array, *shift: Array) -> Array:
        if affine is not None:
            x = affine(x, *(shift or [None]))
        x = stage(x, training)
        return x if encode is None else encode(x)

    shift = [] if affine is None or affine.shift is None else [affine.shift]
    layers = [layer for layer in stage.layers if isinstance(layer, keras.layers.Layer)]
    variables = [variable for layer in layers for variable in layer.variables]
    changed = [v for layer in layers for v in layer.non_trainable_variables] if training else []
    return joined(function, [x, *shift], variables, changed)


def _kind(layer: Any, training: bool) -> Kind:
    if type(layer) is keras.layers.MaxPooling2D and _has_plain_squares(layer):
        return "pooled"
    if type(layer) is keras.layers.BatchNormalization:
        return _kind_of_normalization(layer, training)
    partial = step_value("discretized/activations", None) is not None
    return "joined" if isinstance(layer, JOINED) and not partial else "other"


def _kind_of_normalization(layer: keras.layers.BatchNormalization, training: bool) -> Kind:
    if not training:
        return "joined"
    rank = len(layer.output.shape)
    plain = rank == 4 and layer.axis in (-1, 3) and layer.trainable and not layer.renorm
    return "normalized" if plain else "other"


def _has_plain_squares(layer: keras.layers.MaxPooling2D) -> bool:
    size, other = layer.pool_size
    is_plain = layer.padding == "valid" and layer.data_format == "channels_last"
    return is_plain and size == other and tuple(layer.strides) == (size, size)
