"""The tensors of a net while it is read, and the layers behind them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from brnn.errors import DataError
from brnn.proof import operators
from brnn.proof.flows import Flow, Pieces, Sums
from brnn.proof.integer_net import Carried, Hidden, IntegerNet, Layer
from brnn.proof.layers import carry, close, last, rectify
from brnn.proof.steps import of_same_sums


class Tensors:
    """The tensors of a net by name, in order.

    Args:
        shape: of one input.
        discrete: whether the weights of all layers between the first and the last must be discrete,
            in a net without shortcuts and rectifiers.

    Attributes:
        values: the tensors: those of constants are arrays.
        hidden: the layers that are complete.
    """

    def __init__(self, shape: tuple[int, ...], discrete: bool):
        self.shape, self.discrete = shape, discrete
        self.values: dict[str, Any] = {}
        self.hidden: list[Layer] = []
        self._count = math.prod(shape)  # of the inputs, and of the values of all layers
        self._real: list[str] = []  # layers behind the first whose weights are real

    def units(self, tensor: str, name: str) -> Any:
        """Return a tensor as sums of the units that it consists of.

        Args:
            tensor: its name.
            name: of the node that takes it, for messages.
        """
        flow = self.values[tensor]
        if isinstance(flow, Pieces):
            if self.hidden and flow.sums.weights.dtype != "int64":
                self._real.append(flow.sums.name)
            flow = self.values[tensor] = self._complete(*close(flow, self._count, name))
        return flow

    def arithmetic(self, name: str, operator: str, left: Any, right: Any) -> Flow:
        """Return what `operators.arithmetic` does; the sum of two real tensors is a layer."""
        result = operators.arithmetic(name, operator, left, right)
        if isinstance(result, Sums) and isinstance(left, Sums) and isinstance(right, Sums):
            return self._complete(*carry(result, self._count))
        return result

    def rectified(self, name: str, flow: Flow, slope: np.ndarray | float) -> Flow:
        """Return a tensor with its elements below 0 multiplied by a slope.

        Those of real tensors are affine functions of a layer of positive parts.

        Args:
            name: of the node, for messages.
            flow: the tensor.
            slope: one number, or of a shape that broadcasts to that of the tensor.

        Raises:
            DataError: the slope does not fit, or the tensor is pooled, of absolute values, or of
                whole numbers.
        """
        slope = operators.operand(name, slope, flow.shape)
        if isinstance(flow, Pieces):
            kind = flow.values.dtype
            if kind.kind != "f":
                raise DataError(f"{name}: its input is of {kind}; cast it to float32 first")
            below = slope[..., None].astype(kind)
            return flow.mapped(lambda values: np.where(values < 0, below * values, values))
        sums = operators.units(name, flow)
        return self._complete(*rectify(sums, slope, self._count, name))

    def net(self, output: str) -> IntegerNet:
        """Return the net whose logits are a tensor.

        Args:
            output: the name of the tensor.

        Raises:
            DataError: the tensor is not a row of logits, there is no hidden layer before it, or the
                weights of one are not discrete.
        """
        chain = all(isinstance(layer, Hidden) for layer in self.hidden)
        if self.discrete and chain and self._real:
            raise DataError(
                f"{self._real[0]}: its weights are not discrete; only the first and the last layer"
                " may have real ones"
            )
        logits = self.units(output, "the output")
        if not isinstance(logits, Sums) or len(logits.shape) != 2:
            raise DataError("the output of the net is not one row of classes")
        if all(isinstance(layer, Carried) for layer in self.hidden):
            raise DataError(
                "the net has no hidden layer: no step function, such as a sign, and no PReLU"
            )
        logits_layer = last(logits, self._count, "the output")
        return IntegerNet(tuple(self.hidden), logits_layer, self.shape)

    def _complete(self, layer: Layer, values: Sums) -> Sums:
        self.hidden.append(layer)
        self._count = values.weights.shape[1]
        return values


def are_apart(operands: Sequence[Any]) -> bool:
    """Return whether step functions among operands must be units before these are added.

    They need not if all are step functions of the same sums.
    """
    steps = [flow for flow in operands if isinstance(flow, Pieces)]
    mixed = any(isinstance(flow, Sums) for flow in operands)
    return bool(steps) and (mixed or not all(of_same_sums(steps[0], flow) for flow in steps))
