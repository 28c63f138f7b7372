"""The products of a net that is a chain of layers, and which of them are of levels."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from brnn.contracts import Array, Quantizer
from brnn.quantization.layers import QuantActivation, levels_of
from brnn.quantization.manager import QuantManager
from brnn.training.convolutions import convolution
from brnn.training.products import FORMS, Form
from brnn.training.stages import Affine

SAME_LEVELS = (  # layers whose outputs have the levels of their inputs
    keras.layers.Flatten,
    keras.layers.MaxPooling2D,
    keras.layers.Reshape,
    keras.layers.ZeroPadding2D,  # but for 0
)


@dataclass(frozen=True)
class Product:
    """A dense layer or a convolution, and the layers after it up to the next one.

    Args:
        layer: the layer.
        scale: the largest level of its kernel; None for a product of real numbers.
        unit: the largest level of its inputs; None where they are those of the net.
        signs: whether neither kernel nor inputs have a level 0, but for whole pixels of padding.
        form: how it is computed.
        following: the layers after it.
        model: calls them; None where there are none.
    """

    layer: Any
    scale: float | None
    unit: float | None
    signs: bool
    form: Form
    following: Sequence[Any]
    model: keras.Model | None

    def kernel(self) -> Array:
        """Return the kernel, as -1, 0 and 1 where it has levels."""
        return signs_of(tf.convert_to_tensor(self.layer.kernel), self.scale or 1.0)

    def affine(self, unit: float) -> Affine:
        """Return what makes the outputs of the layer of its sums over multiples of `unit`."""
        scale, bias = self.scale or 1.0, self.layer.bias
        shift = None if bias is None else over(over(tf.convert_to_tensor(bias), scale), unit)
        return Affine(scale * unit, shift, self.layer.activation)

    def encode(self, x: Array) -> Array:
        """Return inputs as codes."""
        return self.form.encode(signs_of(x, self.unit or 1.0))

    def sums(self, codes: Array) -> Array:
        """Return the sums of products of encoded inputs."""
        return self.form.multiply(codes, self.kernel(), self.signs)

    def of_real(self) -> "Product":
        """Return the product for inputs and a kernel of any values."""
        form = _form(self.layer, ("float32", "float32"))
        return replace(self, scale=None, unit=None, signs=False, form=form)


def chained(model: keras.Model) -> list[Any]:
    """Return the layers and operations of a model if each takes the output of the one before.

    The list is empty where they do not, and where Keras adds penalties of layers or weights to the
    loss.
    """
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs[0], model.outputs[0])
    if not hasattr(model, "operations") or len(model.inputs) + len(model.outputs) > 2:
        return []
    layers = model.operations
    if model.losses or any(getattr(layer, "activity_regularizer", None) for layer in layers):
        return []
    pairs = itertools.pairwise(layers)
    return layers if all(after.input is before.output for before, after in pairs) else []


def products(
    manager: QuantManager, layers: Sequence[Any], forms: tuple[str, str], training: bool
) -> list[Product]:
    """Return the products of a chain of layers.

    Args:
        manager: the net and its rules.
        layers: those of its model, as `chained` returns them.
        forms: the names of the forms of dense products and of convolutions of levels.
        training: whether units are left out by dropout, so that they have other values than levels.
    """
    variables = manager.model.trainable_variables
    rules = {id(v): rule for v, rule in zip(variables, manager.rules, strict=True)}
    starts = [index for index, layer in enumerate(layers) if _is_product(layer)]
    found = []
    for start, end in itertools.pairwise([*starts, len(layers)]):
        layer, following = layers[start], layers[start + 1 : end]
        rule = rules.get(id(layer.kernel))
        levels = _codes_of(rule.quantizer) if rule and not rule.learned else None
        inputs = _input_levels(layers[:start], training)
        if levels is None or inputs is None:
            scale, unit, signs, form = None, None, False, _form(layer, ("float32", "float32"))
        else:
            scale, unit = levels[-1], inputs[-1] if inputs else None
            signs, form = 0.0 not in (*levels, *inputs), _form(layer, forms)
        found.append(
            Product(layer, scale, unit, signs, form, following, model_of(layers[start:end]))
        )
    return found


def model_of(layers: Sequence[Any]) -> keras.Model | None:
    """Return a model from the output of the first of some layers to that of the last."""
    return keras.Model(layers[0].output, layers[-1].output) if len(layers) > 1 else None


def signs_of(levels: Array, scale: float) -> Array:
    """Return levels -scale, 0 and scale as -1, 0 and 1; a product alone may give 0.99999994."""
    if scale == 1:
        return levels

    @tf.custom_gradient
    def rounded(levels: Array) -> tuple[Array, Callable]:
        return tf.round(over(levels, scale)), lambda upstream: over(upstream, scale)

    return rounded(levels)


def over(x: Array, unit: float) -> Array:
    """Return x / unit, as a product: compilers may round a division in different ways."""
    return x if unit == 1 else x * np.float32(1 / unit)


def _is_product(layer: Any) -> bool:
    if type(layer) is keras.layers.Dense:
        return len(layer.input.shape) == 2
    if type(layer) is not keras.layers.Conv2D:
        return False
    plain = layer.groups == 1 and tuple(layer.dilation_rate) == (1, 1)
    return plain and layer.data_format == "channels_last"


def _form(layer: Any, names: tuple[str, str]) -> Form:
    of_dense, of_convolution = names
    if isinstance(layer, keras.layers.Dense):
        return FORMS[of_dense]
    return convolution(of_convolution, layer.kernel.shape, layer.strides, layer.padding)


def _codes_of(quantizer: Quantizer) -> list[float] | None:
    """Return the levels of a quantizer where they are among -s, 0 and s, else None."""
    levels = levels_of(quantizer) or [0.0]
    largest = levels[-1]
    return levels if largest > 0 and set(levels) <= {-largest, 0.0, largest} else None


def _input_levels(layers: Sequence[Any], training: bool) -> list[float] | None:
    """Return the levels that some layers give; [] for inputs of the net, None for real values."""
    for layer in reversed(layers):
        if isinstance(layer, QuantActivation):
            return _codes_of(layer.quantizer)
        if isinstance(layer, keras.layers.Dropout) and not (training and layer.rate):
            continue
        if not isinstance(layer, (*SAME_LEVELS, keras.layers.InputLayer)):
            return None
    return []
