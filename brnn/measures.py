"""Measures of a discretized net: sparsity, flips, saturation, size. NumPy and plain Keras only."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
from keras import ops

from brnn.cells import ClockworkCell, ScaledGRUCell, state_matrices
from brnn.layers import QuantActivation, recorded
from brnn.manager import QuantManager

FLOAT_BITS = 32
UNGATED = (keras.layers.SimpleRNNCell, ClockworkCell)  # cells whose state is what their activation gives


@dataclass(frozen=True)
class Weights:
    """One variable: its path, its latent values, what the net computes with, and its rule (None: real)."""

    path: str
    latent: np.ndarray
    levels: np.ndarray
    rule: object | None


def snapshot(manager: QuantManager) -> list[Weights]:
    """The present weights of a net, variable by variable."""
    variables = manager.model.trainable_variables
    return [
        Weights(v.path, np.array(v.numpy()), np.array(level), rule)
        for v, level, rule in zip(variables, manager.levels(), manager.rules, strict=True)
    ]


def weight_metrics(now: list[Weights], before: list[Weights]) -> dict[str, float]:
    """Shares in [0, 1], for each variable and in all.

    `sparsity`: weights that are exactly 0, of all trainable weights. Of the discretized ones: `positive`:
    levels above 0; `flip_rate`: levels that differ from `before`; `at_bound`: latent weights at their bound.
    """
    counts = {}
    for new, old in zip(now, before, strict=True):
        counts[new.path] = {"sparsity": new.levels == 0}
        if new.rule is not None:
            counts[new.path] |= {"positive": new.levels > 0, "flip_rate": new.levels != old.levels}
        if new.rule is not None and new.rule.bound is not None:
            counts[new.path] |= {"at_bound": np.abs(new.latent) >= new.rule.bound}
    metrics = {f"{name}/{path}": float(c.mean()) for path, one in counts.items() for name, c in one.items()}
    for name in ("sparsity", "positive", "flip_rate", "at_bound"):
        flags = [one[name].ravel() for one in counts.values() if name in one]
        metrics[f"{name}/all"] = float(np.concatenate(flags).mean()) if flags else 0.0
    return metrics


def gradient_shares(manager: QuantManager, x: np.ndarray) -> dict[str, float]:
    """For each quantized activation, also in cells, the share of its inputs at which its estimator passes a gradient.

    The inputs are those of the discretized net on `x`; of a cell at all steps, from a state of zeros.
    """
    shares = {}
    for one, inputs in _entering(manager, x):
        passed = one.estimator(inputs, ops.ones_like(inputs), one.fan_in) != 0
        shares.setdefault(one.name, []).append(float(ops.mean(ops.cast(passed, "float32"))))
    return {f"gradient_share/{name}": float(np.mean(values)) for name, values in shares.items()}


def _entering(manager, x) -> Iterator[tuple]:
    """The quantized activations of the discretized net on `x`, with the input of each call.

    The inputs are tensors of the model, or of the cell of a recurrent layer, taken step by step.
    """
    model = manager.model
    measured = [one for one in model.layers if _activates(one) or _activates(_activation(one))]
    if not measured:
        return
    levels = dict(zip(map(id, model.trainable_variables), manager.levels(), strict=True))

    def call(layer, *inputs, **keys):
        trainable = [levels[id(variable)] for variable in layer.trainable_variables]
        return layer.stateless_call(trainable, layer.non_trainable_variables, *inputs, **keys)[0]

    entering = keras.Model(model.inputs, {one.name: one.input for one in measured}, name="entering")
    tensors = call(entering, [x, *manager.initial_state(len(x))], training=False)
    for one in measured:
        if _activates(one):
            yield one, tensors[one.name]
        else:
            yield from _entering_cell(one, partial(call, one.cell), tensors[one.name])


def _entering_cell(layer, cell: Callable, inputs) -> Iterator[tuple]:
    """The quantized activations in a recurrent layer's cell, with their inputs, step by step.

    `cell(x, states)` gives outputs and new states; `inputs` are a sequence, or a list of it and
    the initial states.
    """
    x, *states = inputs if isinstance(inputs, list) else [inputs]
    states = states or layer.get_initial_state(len(x))
    for number in range(x.shape[1]):
        (_, states), calls = recorded(cell, x[:, number], states)
        yield from calls


def _activation(layer):
    """The activation of the cell of a recurrent layer, None for other layers."""
    return getattr(getattr(layer, "cell", None), "activation", None)


def _activates(layer) -> bool:
    return isinstance(layer, QuantActivation)


def size(weights: list[Weights]) -> dict[str, float]:
    """Bits per weight, and bytes of the weights packed and in float32."""
    bits = sum(bits_per_weight(one) * one.levels.size for one in weights)
    number = sum(one.levels.size for one in weights)
    return {
        "size/parameters": number,
        "size/bits_per_weight": bits / number,
        "size/packed_bytes": math.ceil(bits / 8),
        "size/float32_bytes": number * FLOAT_BITS // 8,
    }


def bits_per_weight(one: Weights) -> float:
    """Bits that a weight takes: real ones 32, discretized ones a code for their distinct levels.

    A matrix of low rank r takes the 32 bits of its r (rows + columns) factors, where that is less.
    """
    if one.rule is None:
        return FLOAT_BITS
    bits = min(FLOAT_BITS, max(1, math.ceil(math.log2(len(np.unique(one.levels))))))
    if bits <= FLOAT_BITS // 2 or one.levels.ndim < 2:
        return bits
    matrix = one.levels.reshape(-1, one.levels.shape[-1])
    return min(bits, FLOAT_BITS * np.linalg.matrix_rank(matrix) * sum(matrix.shape) / matrix.size)


def binary_share(manager: QuantManager, weights: list[Weights]) -> float:
    """Share of the multiply-accumulates of one input in which both weight and activation have two levels."""
    products = list(_products(manager, weights))
    binary = sum(one.number for one in products if one.binary_input and bits_per_weight(one.weights) == 1)
    return binary / total if (total := sum(one.number for one in products)) else 0.0


def cost(manager: QuantManager, weights: list[Weights]) -> dict[str, float]:
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


def spectral_radii(manager: QuantManager) -> dict[str, float]:
    """For each discretized recurrent kernel, the largest spectral radius of its gates' matrices.

    Where it is above 1, a state grows that no activation bounds.
    """
    levels = {v.path: level for v, level in zip(manager.model.trainable_variables, manager.levels(), strict=True)}
    cells = [layer.cell for layer in manager.model.layers if isinstance(layer, keras.layers.RNN)]
    return {
        cell.recurrent_kernel.path: max(
            float(np.abs(np.linalg.eigvals(np.asarray(matrix))).max())
            for matrix in state_matrices(cell, levels[cell.recurrent_kernel.path])
        )
        for cell in cells
    }


def per_character(metrics: dict[str, float]) -> dict[str, float]:
    """What a cross-entropy in nats per character is in bits, and as the perplexity, for each split that has one."""
    losses = {key.removesuffix("loss"): value for key, value in metrics.items() if key.endswith("/loss")}
    bits = {f"{split}bits_per_character": loss / math.log(2) for split, loss in losses.items()}
    with np.errstate(over="ignore"):  # infinite, then
        return bits | {f"{split}perplexity": float(np.exp(loss)) for split, loss in losses.items()}


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
            rates, heard = layer.cell.activity() if isinstance(layer.cell, ClockworkCell) else (1, 1)
            yield _Product(named[layer.cell.kernel.path], rates, binary)
            yield _Product(named[layer.cell.recurrent_kernel.path], rates * heard, state)
            binary = state
        elif (kernel := named.get(f"{layer.path}/kernel")) is not None:
            yield _Product(kernel, _positions(layer), binary)
        if isinstance(layer, QuantActivation):
            binary = _is_binary(layer)
        elif not isinstance(layer, keras.layers.RNN) and (layer.weights or isinstance(layer, keras.layers.Activation)):
            binary = False


def _elementwise(layer) -> dict[str, int]:
    """The multiplications of a layer beside its matrix products."""
    if isinstance(layer, keras.layers.RNN):
        gates = 0 if isinstance(layer.cell, UNGATED) else 3  # products of a gate with a state in any of the others
        shifts = 6 if isinstance(layer.cell, ScaledGRUCell) else 0  # of W x and U h, three sums each
        return {"float_multiplications": gates * layer.cell.units, "bit_shifts": shifts * layer.cell.units}
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
    return isinstance(activation, QuantActivation) and len(np.unique(activation.quantizer(x, None))) == 2


def _factor(sizes) -> str:
    """What it takes to multiply by numbers of these sizes."""
    return "bit_shifts" if (np.frexp(sizes)[0] == 0.5).all() else "float_multiplications"


def layers(manager: QuantManager) -> list[dict]:
    """One row per variable: what is discretized, by which quantizer, and the bits that a weight takes."""
    return [
        {
            "path": one.path,
            "shape": one.levels.shape,
            "role": one.path.rpartition("/")[2],
            "quantizer": "real" if one.rule is None else _named(one.rule.quantizer),
            "parameters": one.levels.size,
            "bits_per_weight": bits_per_weight(one),
        }
        for one in snapshot(manager)
    ]


def _named(quantizer) -> str:
    keys = getattr(quantizer, "keywords", {})
    name = getattr(quantizer, "func", quantizer).__name__
    return name + (f"({', '.join(f'{key}={value:g}' for key, value in keys.items())})" if keys else "")
