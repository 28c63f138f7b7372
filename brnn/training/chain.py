"""A net as a chain of layers, whose products of levels are computed on whole numbers.

A dense layer or a convolution with a kernel of levels -s, 0 and s computes with -1, 0 and 1; its
sums are scaled last. Its inputs are the levels of an activation, or pixels, which are multiples of
1/255. So its sums are exact, in every form of `brnn.training.products` and in every order of
addition; see docs/explanation/arithmetic.md.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from brnn.contracts import Array
from brnn.data.pixels import to_pixels
from brnn.nets.inputs import ONLY_SHAPES
from brnn.quantization.annealing import step_value
from brnn.quantization.manager import QuantManager
from brnn.training.product_layers import Product, chained, model_of, products
from brnn.training.products import LARGEST, to_whole
from brnn.training.stages import outputs, stages

PROGRESSIONS = ("discretized/weights", "discretized/activations")  # of a step; levels are partial


class Chain:
    """Calls the model of a manager, with products of levels on whole numbers.

    In a step of a progression, which leaves values real, all products are of real numbers.

    A model that is not a chain of layers is called as it is, and so is one without such a product
    unless XLA compiles what lies between its products.

    Args:
        manager: the net and its rules; the variables of its model may themselves hold levels.
        dense: the form of dense products of levels, a name in `brnn.training.products.FORMS`.
        convolution: that of convolutions, `float32` or `bfloat16`.
        clustered: whether XLA compiles what lies between the products, in graph mode.
        training: whether the chain is called in training.
    """

    def __init__(
        self,
        manager: QuantManager,
        dense: str = "float32",
        convolution: str = "float32",
        clustered: bool = False,
        training: bool = False,
    ):
        self.model = manager.model
        self.clustered = clustered
        layers = chained(manager.model)
        found = products(manager, layers, (dense, convolution), training)
        of_levels = [product for product in found if product.scale is not None]
        self.products = found if of_levels or clustered else []
        self.real_products = [product.of_real() for product in self.products]
        self.graph_only = any(product.form.graph_only for product in self.products)
        before = layers[: layers.index(found[0].layer)] if found else []
        reshaped = all(isinstance(layer, ONLY_SHAPES) for layer in before)
        self.head = None if reshaped else model_of(before)

    def __call__(
        self, x: Array, pixels: bool, training: bool = False, whole: bool = False
    ) -> Array:
        """Return the outputs for a batch.

        Args:
            x: bytes, or floats.
            pixels: whether floats are multiples of 1/255, perhaps changed by an attack.
            training: as in Keras.
            whole: whether floats that are pixels are multiples of 1/255 for certain.
        """
        if not self.products:
            return self.model(to_pixels(x), training=training)
        progresses = any(step_value(name, None) is not None for name in PROGRESSIONS)
        products = self.real_products if progresses else self.products
        sums, unit = self._first_sums(products[0], x, pixels, training, whole)
        for product, following in zip(products, [*products[1:], None], strict=True):
            x = self._between(product, following, sums, unit, training)
            if following is not None:
                sums, unit = following.sums(x), following.unit or 1.0
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
        whole: bool = False,
    ) -> tuple[Any, list[Array], list[Array]]:
        """Return the outputs, the new values of `fixed` and the penalties, as Keras' method does.

        Args:
            trainable: values of the trainable variables.
            fixed: values of the others.
            x: a batch, as in `__call__`.
            recurrent_state: further inputs; empty where the net has none.
            pixels: as in `__call__`.
            training: as in Keras.
            whole: as in `__call__`.
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
            outputs = self(x, pixels, training, whole)
        return outputs, [scope.get_current_value(v) for v in model.non_trainable_variables], []

    def _first_sums(
        self, first: Product, x: Array, pixels: bool, training: bool, whole: bool
    ) -> tuple[Array, float]:
        """Return the sums of the first product, and the unit of their inputs."""
        if first.scale is None or first.unit is not None:
            x = self._before(to_pixels(x), training)
            return first.sums(first.encode(x)), first.unit or 1.0
        whole = whole or x.dtype == tf.uint8
        x = self._before(to_whole(x) if pixels and x.dtype != tf.uint8 else x, training)
        if pixels:
            return first.form.multiply_pixels(x, first.kernel(), whole), 1 / LARGEST
        return first.form.multiply_real(x, first.kernel()), 1.0

    def _before(self, x: Array, training: bool) -> Array:
        """Return the inputs of the first product."""
        if self.head is not None:
            return self.head(x, training=training)
        return tf.reshape(x, (-1, *self.products[0].layer.input.shape[1:]))

    def _between(
        self, product: Product, following: Product | None, sums: Array, unit: float, training: bool
    ) -> Array:
        """Return the inputs of the following product, or the outputs of the net."""

        def encode(x: Array) -> Array:
            return x if following is None else following.encode(x)

        affine = product.affine(unit)
        if self.clustered:
            found = stages([product.layer, *product.following], training)
            return outputs(found, sums, affine, encode, training)
        x = affine(sums, affine.shift)
        return encode(x if product.model is None else product.model(x, training=training))
