"""The tensors of a net while it is read, and the hidden layers behind them."""

from typing import Any

from brnn.errors import DataError
from brnn.proof.flows import Flow, Pieces, Sums, close, last
from brnn.proof.integer_net import Hidden, IntegerNet


class Tensors:
    """The tensors of a net by name, in order.

    Args:
        discrete: whether the weights of all layers between the first and the last must be discrete.

    Attributes:
        values: the tensors: those of constants are arrays.
        hidden: the hidden layers that are complete.
    """

    def __init__(self, discrete: bool):
        self.discrete = discrete
        self.values: dict[str, Any] = {}
        self.hidden: list[Hidden] = []

    def units(self, tensor: str, name: str) -> Any:
        """Return a tensor as sums of the units that it consists of.

        Args:
            tensor: its name.
            name: of the node that takes it, for messages.

        Raises:
            DataError: the weights of the layer that it ends are not discrete.
        """
        flow = self.values[tensor]
        if isinstance(flow, Pieces):
            if self.discrete and self.hidden and flow.sums.weights.dtype != "int64":
                raise DataError(
                    f"{flow.sums.name}: its weights are not discrete; only the first and the last"
                    " layer may have real ones"
                )
            hidden, flow = close(flow, name)
            self.hidden.append(hidden)
            self.values = {k: v for k, v in self.values.items() if not isinstance(v, Flow)}
            self.values[tensor] = flow
        return flow

    def net(self, output: str, shape: tuple[int, ...]) -> IntegerNet:
        """Return the net whose logits are a tensor.

        Args:
            output: the name of the tensor.
            shape: of one input.

        Raises:
            DataError: the tensor is not a row of logits, or there is no hidden layer before it.
        """
        logits = self.units(output, "the output")
        if not isinstance(logits, Sums) or len(logits.shape) != 2:
            raise DataError("the output of the net is not one row of classes")
        if not self.hidden:
            raise DataError("the net has no hidden layer with a sign or another step function")
        return IntegerNet(tuple(self.hidden), last(logits, "the output"), shape)
