"""Updates: what a step does besides the optimizer of Keras."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras.layers import EinsumDense

from brnn.contracts import Array
from brnn.quantization.manager import QuantManager
from brnn.quantization.model_layers import layers_of, transposed_kernels


@dataclass(frozen=True)
class Updates:
    """What a step does before and after the optimizer.

    Attributes:
        averaging: momentum of the moving averages of all that training changes, whose levels are
            what the net computes with in evaluation; None for no averages.
        kernels: of each variable, the shape in which its gradient is centralized, or None; see
            `kernel_shapes`. Empty: none is.
    """

    averaging: float | None = None
    kernels: tuple[tuple[int, ...] | None, ...] = ()

    def before(self, gradients: Sequence[Array | None]) -> list[Array | None]:
        """Return the gradients that the optimizer gets."""
        shapes = self.kernels or (None,) * len(gradients)
        return [
            gradient if gradient is None or shape is None else centralized(gradient, shape)
            for gradient, shape in zip(gradients, shapes, strict=True)
        ]

    def averages(self, variables: Sequence[keras.Variable]) -> list[keras.Variable]:
        """Return new averages of the variables, which begin at their values; none if not wanted."""
        averaged = [] if self.averaging is None else variables
        return [keras.Variable(v, name=f"{v.name}_average") for v in averaged]

    def after(
        self, averages: Sequence[keras.Variable], variables: Sequence[keras.Variable]
    ) -> None:
        """Move averages towards the variables, by 1 - `averaging` of their distance."""
        if self.averaging is not None:
            for average, variable in zip(averages, variables, strict=True):
                average.assign(average + (1 - self.averaging) * (variable - average))


NONE = Updates()


def kernel_shapes(manager: QuantManager) -> tuple[tuple[int, ...] | None, ...]:
    """Return the shape of each kernel among `manager.trained`, outputs last; None for the others.

    Left out are kernels whose outputs have a single weight each, whose mean is their gradient, and
    those whose last axis is not that of outputs: of transposed convolutions and of `EinsumDense`,
    also in attention.
    """
    model = manager.model
    others = [layer.kernel for layer in layers_of(model) if isinstance(layer, EinsumDense)]
    left_out = {id(kernel) for kernel in (*others, *transposed_kernels(model))}
    shapes = [
        shape
        if variable.path.endswith("kernel")
        and id(variable) not in left_out
        and len(shape) > 1
        and np.prod(shape[:-1]) > 1
        else None
        for variable, shape in zip(model.trainable_variables, manager.shapes, strict=True)
    ]
    return (*shapes, *(None for _ in manager.arguments))


def centralized(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Return the gradient of a kernel minus its mean over the weights of each output.

    Args:
        gradient: of the kernel.
        shape: of the kernel, with the outputs on the last axis.

    References:
        Yong et al. 2020, arXiv:2004.01461 (gradient centralization).
    """
    kernel = tf.reshape(gradient, shape)
    mean = tf.reduce_mean(kernel, list(range(len(shape) - 1)), keepdims=True)
    return tf.reshape(kernel - mean, tf.shape(gradient))
