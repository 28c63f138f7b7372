"""The cost of the products of a net, by the operations that its weights need."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from brnn.measures.weights import Weights, without_scales
from brnn.nets.cells import ClockworkCell, ScaledGRUCell
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager

NOT_BINARY = (  # layers without weights whose outputs have more than two levels
    keras.layers.Activation,
    keras.layers.Add,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.ZeroPadding2D,
)
UNGATED = (keras.layers.SimpleRNNCell, ClockworkCell)  # cells whose activation is the state


def product_metrics(
    manager: QuantManager, weights: list[Weights], steps: int = 1
) -> dict[str, float]:
    """Return the number of operations per input; of a recurrent net, per step on average.

    A weight of ±s, or 0, flips a sign; s, of a tensor or of each channel, is multiplied once with
    each sum: by a bit shift where it is a power of two. A weight of several powers of two is a bit
    shift; any other weight is a multiplication of real numbers, and so are the products of a gate
    with a state, and normalizations.

    What comes once per sequence, such as the logits of a net that answers at its end, counts
    1 / steps.

    Args:
        manager: of the net.
        weights: its `snapshot`.
        steps: length of a sequence, where the model does not fix it.

    Metrics:
        size/binary_share (share): multiply-accumulates of a weight and an activation that both have
            two levels
        cost/float_multiplications (count): multiplications of real numbers
        cost/sign_flips (count): products with a weight of ±s or 0
        cost/bit_shifts (count): products with a power of two
    """
    layers = manager.model.layers
    recurrent = [layer for layer in layers if isinstance(layer, keras.layers.RNN)]
    steps = _steps(recurrent[0], steps) if recurrent else 1
    products = list(_products(manager, weights, steps))
    kinds: dict[str, float] = {"float_multiplications": 0, "sign_flips": 0, "bit_shifts": 0}
    for product in products:
        levels = product.weights.levels
        sizes = np.unique(np.abs(levels[levels != 0]))
        if product.weights.rule is None:
            kinds["float_multiplications"] += product.count
        elif without_scales(levels) is None:
            kinds[_operation(sizes)] += product.count
        else:
            kinds["sign_flips"] += product.count
            kinds[_operation(sizes)] += product.sums if (sizes != 1).any() else 0
    for layer in layers:
        for kind, count in _elementwise(layer, steps).items():
            kinds[kind] += count
    costs = {f"cost/{kind}": count / steps for kind, count in kinds.items()}
    return {"size/binary_share": _binary_share(products), **costs}


@dataclass(frozen=True)
class _Product:
    """The product of a matrix of weights with an input or a state.

    Attributes:
        weights: of the matrix, (…, columns); each column gives one sum.
        uses: how often an input uses each weight.
        binary_input: whether the other factor has two levels.
    """

    weights: Weights
    uses: float | np.ndarray
    binary_input: bool

    @property
    def count(self) -> float:
        """Return the number of multiply-accumulates."""
        return float(self._uses_by_column().sum())

    @property
    def sums(self) -> float:
        """Return the number of sums."""
        return float(self._uses_by_column().max(axis=0).sum())

    def _uses_by_column(self) -> np.ndarray:
        shape = self.weights.levels.shape
        return np.broadcast_to(self.uses, shape).reshape(-1, shape[-1])


def _binary_share(products: list[_Product]) -> float:
    total = sum(product.count for product in products)
    binary = sum(
        product.count
        for product in products
        if product.binary_input and _has_two_levels(product.weights)
    )
    return binary / total if total else 0.0


def _has_two_levels(weights: Weights) -> bool:
    """Return whether each channel of weights has two levels, whatever its scale."""
    signs = without_scales(weights.levels)
    return weights.rule is not None and signs is not None and len(np.unique(signs)) <= 2


def _products(manager: QuantManager, weights: list[Weights], steps: int) -> Iterator[_Product]:
    """Yield the matrix products of a net; the input of a layer is the output of the one before."""
    by_path = {variable.path: variable for variable in weights}
    binary = manager.model.inputs[0].dtype.startswith("int")  # tokens are read one-hot
    for layer in manager.model.layers:
        if isinstance(layer, keras.layers.RNN):
            yield from _cell_products(layer.cell, by_path, binary, _steps(layer, steps))
            binary = _has_binary_state(layer.cell)
        elif (kernel := by_path.get(f"{layer.path}/kernel")) is not None:
            yield _Product(kernel, _positions(layer, steps), binary)
        if isinstance(layer, QuantActivation):
            binary = _is_binary(layer)
        elif not isinstance(layer, keras.layers.RNN) and (
            layer.weights or isinstance(layer, NOT_BINARY)
        ):
            binary = False


def _cell_products(
    cell: keras.layers.Layer, by_path: dict[str, Weights], binary: bool, steps: int
) -> Iterator[_Product]:
    """Yield the matrix products of a recurrent cell in a sequence."""
    projection = getattr(cell, "input_projection", None)
    if projection is not None:
        yield _Product(by_path[projection.path], steps, binary)
    rates, mask = cell.activity() if isinstance(cell, ClockworkCell) else (1, 1)
    yield _Product(by_path[cell.kernel.path], rates * steps, binary)
    recurrent_kernel = by_path[cell.recurrent_kernel.path]
    yield _Product(recurrent_kernel, rates * mask * steps, _has_binary_state(cell))


def _elementwise(layer: keras.layers.Layer, steps: int) -> dict[str, float]:
    """Return the multiplications of a layer that are not part of a matrix product."""
    if isinstance(layer, keras.layers.RNN):
        gates = 0 if isinstance(layer.cell, UNGATED) else 3  # products of a gate with a state
        shifts = 6 if isinstance(layer.cell, ScaledGRUCell) else 0  # three sums of W x and of U h
        units = layer.cell.units * _steps(layer, steps)
        return {"float_multiplications": gates * units, "bit_shifts": shifts * units}
    if isinstance(layer, keras.layers.Rescaling):
        scale = np.array([layer.scale], "float32")
        return {_operation(scale): _positions(layer, steps) * layer.output.shape[-1]}
    if isinstance(layer, keras.layers.BatchNormalization):
        return {"float_multiplications": _positions(layer, steps) * layer.output.shape[-1]}
    return {}


def _positions(layer: keras.layers.Layer, steps: int) -> int:
    """Return how often a layer is applied per input: the product of its spatial axes.

    An axis of any length has `steps`.
    """
    return math.prod(steps if size is None else size for size in layer.output.shape[1:-1])


def _steps(layer: keras.layers.RNN, steps: int) -> int:
    """Return the number of steps that a recurrent layer reads, `steps` where it reads any."""
    x = layer.input[0] if isinstance(layer.input, list | tuple) else layer.input
    return x.shape[1] or steps


def _has_binary_state(cell: keras.layers.Layer) -> bool:
    return isinstance(cell, UNGATED) and _is_binary(cell.activation)


def _is_binary(activation: Any) -> bool:
    """Return whether an activation is quantized to two levels."""
    x = np.linspace(-2, 2, 101, dtype="float32")
    return (
        isinstance(activation, QuantActivation)
        and len(np.unique(activation.quantizer(x, None))) == 2
    )


def _operation(sizes: np.ndarray) -> str:
    """Return the operation that multiplies by numbers of these sizes."""
    return "bit_shifts" if (np.frexp(sizes)[0] == 0.5).all() else "float_multiplications"
