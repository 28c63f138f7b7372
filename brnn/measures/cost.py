"""What the products of a net cost."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from brnn.measures.weights import Weights, bits_per_weight
from brnn.nets.cells import ClockworkCell, ScaledGRUCell
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager

UNGATED = (keras.layers.SimpleRNNCell, ClockworkCell)  # cells whose activation is the state


def binary_share(manager: QuantManager, weights: list[Weights]) -> float:
    """Share of the multiply-accumulates of one input in which both weight and activation have two levels."""
    products = list(_products(manager, weights))
    binary = sum(
        one.number for one in products if one.binary_input and bits_per_weight(one.weights) == 1
    )
    return binary / total if (total := sum(one.number for one in products)) else 0.0


def product_cost(manager: QuantManager, weights: list[Weights]) -> dict[str, float]:
    """How many multiplications an input takes, or one step of a sequence on average, by what they need.

    A weight of +-s, or 0, flips a sign, and its s is multiplied once, with the sum: by a bit shift where it is a power
    of two. A weight from several powers of two is a shift, any other a multiplication of real numbers, and so are the
    products of a cell's gates with its state, and normalizations.
    """
    kinds = Counter(float_multiplications=0, sign_flips=0, bit_shifts=0)
    for one in _products(manager, weights):
        sizes = np.unique(np.abs(one.weights.levels[one.weights.levels != 0]))
        if one.weights.rule is None:
            kinds["float_multiplications"] += one.number
        elif len(sizes) > 1:
            kinds[_factor(sizes)] += one.number
        else:
            kinds["sign_flips"] += one.number
            kinds[_factor(sizes)] += one.sums if (sizes != 1).any() else 0
    for layer in manager.model.layers:
        kinds.update(_elementwise(layer))
    return {f"cost/{kind}": number for kind, number in kinds.items()}


@dataclass(frozen=True)
class _Product:
    """The product of a matrix of weights with an input, or with a state."""

    weights: Weights
    uses: float | np.ndarray  # of each weight for one input, or for one step on average
    binary_input: bool  # whether what it is multiplied with has two levels

    @property
    def number(self) -> float:
        """Of multiply-accumulates."""
        return float(self._spread().sum())

    @property
    def sums(self) -> float:
        """That the product gives."""
        return float(self._spread().max(axis=0).sum())

    def _spread(self):
        """The uses of the weights of each sum, in columns."""
        shape = self.weights.levels.shape
        return np.broadcast_to(self.uses, shape).reshape(-1, shape[-1])


def _products(manager, weights) -> Iterator[_Product]:
    """The matrix products of one input, or of one step of a sequence; each layer is fed by the one before."""
    named = {one.path: one for one in weights}
    binary = manager.model.inputs[0].dtype.startswith("int")  # tokens are read one-hot
    for layer in manager.model.layers:
        if isinstance(layer, keras.layers.RNN):
            state = isinstance(layer.cell, UNGATED) and _is_binary(layer.cell.activation)
            projection = getattr(layer.cell, "input_projection", None)
            if projection is not None:
                yield _Product(named[projection.path], 1, binary)
            rates, heard = (
                layer.cell.activity() if isinstance(layer.cell, ClockworkCell) else (1, 1)
            )
            yield _Product(named[layer.cell.kernel.path], rates, binary)
            yield _Product(named[layer.cell.recurrent_kernel.path], rates * heard, state)
            binary = state
        elif (kernel := named.get(f"{layer.path}/kernel")) is not None:
            yield _Product(kernel, _positions(layer), binary)
        if isinstance(layer, QuantActivation):
            binary = _is_binary(layer)
        elif not isinstance(layer, keras.layers.RNN) and (
            layer.weights or isinstance(layer, keras.layers.Activation)
        ):
            binary = False


def _elementwise(layer) -> dict[str, int]:
    """The multiplications of a layer beside its matrix products."""
    if isinstance(layer, keras.layers.RNN):
        gates = (
            0 if isinstance(layer.cell, UNGATED) else 3
        )  # products of a gate with a state in any of the others
        shifts = (
            6 if isinstance(layer.cell, ScaledGRUCell) else 0
        )  # of W x and U h, three sums each
        return {
            "float_multiplications": gates * layer.cell.units,
            "bit_shifts": shifts * layer.cell.units,
        }
    if isinstance(layer, keras.layers.Rescaling):
        return {_factor(np.float32([layer.scale])): _positions(layer) * layer.output.shape[-1]}
    if isinstance(layer, keras.layers.BatchNormalization):
        return {"float_multiplications": _positions(layer) * layer.output.shape[-1]}
    return {}


def _positions(layer) -> int:
    """At how many places one input takes a layer; the steps of a sequence of any length are one by one."""
    return math.prod(size for size in layer.output.shape[1:-1] if size is not None)


def _is_binary(activation) -> bool:
    x = np.linspace(-2, 2, 101, dtype="float32")
    return (
        isinstance(activation, QuantActivation)
        and len(np.unique(activation.quantizer(x, None))) == 2
    )


def _factor(sizes) -> str:
    """What it takes to multiply by numbers of these sizes."""
    return "bit_shifts" if (np.frexp(sizes)[0] == 0.5).all() else "float_multiplications"
