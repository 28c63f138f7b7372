"""A net as a chain of layers, whose products of levels are computed on whole numbers.

A dense layer with a kernel of levels -s, 0 and s computes with -1, 0 and 1; its sums are scaled
last. Its inputs are the levels of an activation, or pixels, which are multiples of 1/255. So its
sums are exact, in every form of `brnn.training.products` and in every order of addition; see
docs/explanation/arithmetic.md.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from brnn.contracts import Array, Quantizer
from brnn.data.pixels import to_pixels
from brnn.quantization.layers import QuantActivation, levels_of
from brnn.quantization.manager import QuantManager
from brnn.training.products import FORMS, LARGEST, to_whole

SAME_LEVELS = (  # layers whose outputs have the levels of their inputs, in evaluation
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.MaxPooling2D,
    keras.layers.Reshape,
)


@dataclass(frozen=True)
class Product:
    """A dense layer with a kernel of levels, and the layers after it up to the next product.

    Args:
        layer: the dense layer.
        scale: the largest level of its kernel.
        unit: the largest level of its inputs; 1 where they are those of the net.
        signs: whether neither kernel nor inputs have a level 0.
        following: a model of the layers after it; None where there are none.
    """

    layer: keras.layers.Dense
    scale: float
    unit: float
    signs: bool
    following: keras.Model | None

    def codes(self) -> Array:
        """Return the kernel as -1, 0 and 1."""
        return _over(tf.convert_to_tensor(self.layer.kernel), self.scale)

    def outputs(self, sums: Array, unit: float, training: bool) -> Array:
        """Return what the layers make of the sums, with the bias added before they are scaled.

        So a sum that cancels the bias is exactly 0, also where a compiler fuses two operations.
        """
        x = tf.cast(sums, tf.float32)
        if self.layer.bias is not None:
            bias = _over(tf.convert_to_tensor(self.layer.bias), self.scale)
            x += _over(bias, unit)
        if self.scale * unit != 1:
            x *= np.float32(self.scale * unit)
        x = self.layer.activation(x)
        return x if self.following is None else self.following(x, training=training)


class Chain:
    """Calls the model of a manager, with products of levels on whole numbers.

    A model that is not a chain of layers, or has no such product, is called as it is.

    Args:
        manager: the net and its rules; the variables of its model may themselves hold levels.
        form: the form of the products, a name in `brnn.training.products.FORMS`.
        clustered: whether XLA compiles what lies between the products, in evaluation and graph
            mode.
    """

    def __init__(self, manager: QuantManager, form: str = "float32", clustered: bool = False):
        self.model = manager.model
        self.form = FORMS[form]
        self.clustered = clustered
        self.head, self.products = _split(manager)
        self.is_narrow = form != "float32" and bool(self.products)

    def __call__(self, x: Array, pixels: bool, training: bool = False) -> Array:
        """Return the outputs for a batch.

        Args:
            x: bytes, or floats.
            pixels: whether floats are multiples of 1/255, perhaps changed by an attack.
            training: as in Keras; narrow forms are for evaluation.
        """
        if not self.products:
            return self.model(to_pixels(x), training=training)
        sums, unit = self._first_sums(x, pixels, training)
        for product, following in zip(self.products, [*self.products[1:], None], strict=True):
            x = self._clustered(self._between, product, following, sums, unit, training)
            if following is not None:
                sums, unit = self._sums(following, x), following.unit
        return x

    def stateless_call(
        self,
        trainable: Sequence[Array],
        fixed: Sequence[Array],
        x: Array,
        recurrent_state: list,
        *,
        pixels: bool,
        training: bool,
    ) -> tuple[Any, list[Array], list[Array]]:
        """Return the outputs, the new values of `fixed` and the penalties, as Keras' method does.

        Args:
            trainable: values of the trainable variables.
            fixed: values of the others.
            x: a batch, as in `__call__`.
            recurrent_state: further inputs; empty where the net has none.
            pixels: as in `__call__`.
            training: as in Keras.
        """
        model = self.model
        if not self.products:
            x = to_pixels(x)
            inputs = [x, *recurrent_state] if recurrent_state else x
            return model.stateless_call(
                trainable, fixed, inputs, training=training, return_losses=True
            )
        variables = [*model.trainable_variables, *model.non_trainable_variables]
        values = zip(variables, [*trainable, *fixed], strict=True)
        with keras.StatelessScope(state_mapping=list(values)) as scope:
            outputs = self(x, pixels, training)
        return outputs, [scope.get_current_value(v) for v in model.non_trainable_variables], []

    def _first_sums(self, x: Array, pixels: bool, training: bool) -> tuple[Array, float]:
        """Return the sums of the first product, and the unit of their inputs."""
        first = self.products[0]
        if self.head is not None:
            x = self._clustered(self._head_codes, self.head, x, training)
            return self._sums(first, x), first.unit
        if pixels and x.dtype != tf.uint8:
            x = to_whole(x)
        x = tf.reshape(x, (-1, first.layer.kernel.shape[0]))
        if pixels:
            return self.form.multiply_pixels(x, first.codes()), 1 / LARGEST
        return tf.matmul(x, first.codes()), 1.0

    def _sums(self, product: Product, x: Array) -> Array:
        return self.form.multiply(x, product.codes(), product.signs)

    def _head_codes(self, head: keras.Model, x: Array, training: bool) -> Array:
        codes = _over(head(to_pixels(x), training=training), self.products[0].unit)
        return self.form.encode(tf.reshape(codes, (-1, codes.shape[-1])))

    def _between(
        self, product: Product, following: Product | None, sums: Array, unit: float, training: bool
    ) -> Array:
        """Return the inputs of the following product, or the outputs of the net."""
        x = product.outputs(sums, unit, training)
        return x if following is None else self.form.encode(_over(x, following.unit))

    def _clustered(self, function: Callable[..., Array], *arguments: Any) -> Array:
        """Call a function, compiled by XLA where that is wanted."""
        if not self.clustered:
            return function(*arguments)
        return tf.function(function, jit_compile=True, autograph=False)(*arguments)


def _split(manager: QuantManager) -> tuple[keras.Model | None, list[Product]]:
    """Return the model before the first product, None where it reads the inputs; and the products.

    There are no products where the model is not a chain of layers, or where Keras adds penalties of
    layers or weights to the loss.
    """
    model = manager.model
    layers = _chained(model)
    if layers is None or model.losses:
        return None, []
    rules = {id(v): rule for v, rule in zip(model.trainable_variables, manager.rules, strict=True)}
    parts = []  # the index of each product, and the levels of its kernel and inputs
    for index, layer in enumerate(layers):
        rule = rules.get(id(layer.kernel)) if type(layer) is keras.layers.Dense else None
        levels = _codes_of(rule.quantizer) if rule and not rule.learned else None
        inputs = _input_levels(layers[:index])
        if levels and inputs is not None:
            parts.append((index, levels, inputs))
    ends = [index for index, _, _ in parts] + [len(layers)]
    products = [
        Product(
            layers[index],
            levels[-1],
            inputs[-1] if inputs else 1.0,
            0.0 not in (*levels, *inputs),
            _model(layers[index:end]),
        )
        for (index, levels, inputs), end in zip(parts, ends[1:], strict=True)
    ]
    has_head = bool(parts and parts[0][2])
    return _model(layers[: parts[0][0]]) if has_head else None, products


def _chained(model: keras.Model) -> list[Any] | None:
    """Return the layers and operations of a model if each takes the output of the one before."""
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs[0], model.outputs[0])
    if not hasattr(model, "operations") or len(model.inputs) + len(model.outputs) > 2:
        return None
    layers = model.operations
    if any(getattr(layer, "activity_regularizer", None) for layer in layers):
        return None
    pairs = itertools.pairwise(layers)
    return layers if all(after.input is before.output for before, after in pairs) else None


def _codes_of(quantizer: Quantizer) -> list[float] | None:
    """Return the levels of a quantizer where they are among -s, 0 and s, else None."""
    levels = levels_of(quantizer) or [0.0]
    largest = levels[-1]
    return levels if largest > 0 and set(levels) <= {-largest, 0.0, largest} else None


def _input_levels(layers: Sequence[Any]) -> list[float] | None:
    """Return the levels that some layers give; [] for inputs of the net, None for real values."""
    for layer in reversed(layers):
        if isinstance(layer, QuantActivation):
            return _codes_of(layer.quantizer)
        if not isinstance(layer, (*SAME_LEVELS, keras.layers.InputLayer)):
            return None
    return []


def _model(layers: Sequence[Any]) -> keras.Model | None:
    """Return a model from the output of the first of some layers to that of the last."""
    return keras.Model(layers[0].output, layers[-1].output) if len(layers) > 1 else None


def _over(x: Array, unit: float) -> Array:
    """Return x / unit, as a product: compilers may round a division in different ways."""
    return x if unit == 1 else x * np.float32(1 / unit)
