"""Keras nets read as codes, scales and integer thresholds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import keras
import numpy as np
from keras import ops

from brnn.data.pixels import to_pixels
from brnn.errors import ConfigError
from brnn.exchange.blocks import STATES, Block, activation_of, blocks_of
from brnn.exchange.codes import coded
from brnn.exchange.net import LARGEST_BYTE, SIGN, Layer, Net, Steps
from brnn.exchange.recurrence import Recurrence
from brnn.nets.cells import ClockworkCell
from brnn.nets.thresholds import integer_thresholds

HALVES = np.array([0, np.nextafter(np.float32(0.5), np.float32(0)), 0.5, 1], "float32")
LARGEST_DENOMINATOR = 64  # of the quotient of two scales
BITS = Steps((0.5,), (0, 1))


@dataclass(frozen=True)
class _Inputs:
    """The inputs of a layer.

    Attributes:
        largest: the size of the largest one, where they are whole numbers; else 0.
        unit: the value in Keras of the whole number 1.
        signs: whether all are -1 and +1.
    """

    largest: int
    unit: float
    signs: bool


def read(model: keras.Model, pixels: bool, shape: tuple[int, ...] | None = None) -> Net:
    """Return a net in the form that the formats write.

    Args:
        model: the discretized net.
        pixels: whether its inputs are bytes, which it is given divided by 255.
        shape: of one input; None for that of the model, which recurrent nets leave open.

    Raises:
        ConfigError: it is not a chain of dense, convolutional and recurrent layers, or has an
            activation or states that no format holds.
    """
    before, blocks = blocks_of(model)
    steps, inputs = _input_levels(before, pixels)
    kind: Literal["pixels", "levels", "values"] = "levels" if steps else "values"
    if pixels and not steps:
        kind, inputs = "pixels", _Inputs(LARGEST_BYTE, 1 / LARGEST_BYTE, False)
    layers = []
    for block in blocks:
        layer, inputs = _layer(block, inputs)
        layers.append(layer)
    shape = shape or tuple(model.inputs[0].shape[1:])
    return Net(shape, kind, pixels, steps, tuple(layers))


def _input_levels(before: list[keras.layers.Layer], pixels: bool) -> tuple[Steps | None, _Inputs]:
    """Return the steps of the inputs, of bytes or of real numbers, and what they become.

    Raises:
        ConfigError: real inputs become levels by another rule than rounding to 0 and 1.
    """
    if not before:
        return None, _Inputs(0, 1.0, False)
    x = np.arange(LARGEST_BYTE + 1, dtype="uint8") if pixels else HALVES
    outputs = to_pixels(x)
    for layer in before:
        outputs = layer(outputs)
    outputs = np.asarray(outputs)
    levels = np.unique(outputs)
    edges = np.flatnonzero(np.diff(outputs))
    steps, unit = whole_levels(levels.tolist(), x[edges + 1].tolist(), before[-1].name)
    if not pixels and steps != BITS:
        raise ConfigError(
            f"{before[-1].name} quantizes real inputs; formats hold only rounding to 0 and 1 of"
            " these, and any levels of bytes"
        )
    return steps, _Inputs(max(map(abs, steps.values)), unit, steps.values == SIGN.values)


def whole_levels(levels: list[float], at: list[float], name: str) -> tuple[Steps, float]:
    """Return levels as steps of whole numbers, and the value of the whole number 1.

    Raises:
        ConfigError: they are not at equal distances, or not multiples of one number.
    """
    sizes = np.abs(levels)
    unit = float(sizes[sizes > 0].min()) if sizes.any() else 1.0
    whole = np.rint(np.array(levels) / unit)
    if (
        len(levels) < 2
        or not np.allclose(whole * unit, levels, rtol=1e-6)
        or len(np.unique(np.diff(whole))) > 1
    ):
        raise ConfigError(
            f"{name} has the levels {', '.join(f'{level:g}' for level in levels)}; formats hold"
            " levels at equal distances that are multiples of one number"
        )
    return Steps(tuple(at), tuple(int(value) for value in whole)), unit


def _layer(block: Block, inputs: _Inputs) -> tuple[Layer, _Inputs]:
    """Return a layer, and its outputs as inputs of the next one."""
    kernel, bias = block.weights()
    activation, thresholds = activation_of(block)
    steps: Steps | None = None
    unit = 1.0
    if thresholds:
        at, levels = thresholds
        steps, unit = whole_levels(levels, at, block.name)
    multiplier, shift = _normalization(block.normalization, len(bias))
    codes, sizes = coded(kernel)
    pad_value = float(np.float32(block.window.pad_value / inputs.unit))
    is_whole = codes is not None and inputs.largest and pad_value == int(pad_value)
    products = kernel.size // len(bias)
    layer = Layer(
        name=block.name,
        kernel=kernel if codes is None else codes.astype("int8"),
        scale=sizes * inputs.unit,
        bias=bias,
        multiplier=multiplier,
        shift=shift,
        activation=activation,
        steps=steps,
        sign=np.ones(len(bias), "int8"),
        threshold=None,
        reach=int(products * max(inputs.largest, abs(pad_value))) if is_whole else 0,
        signs=inputs.signs and pad_value in (0, 1),
        window=replace(block.window, pad_value=pad_value),
    )
    if cell := block.cell:
        layer = _with_states(layer, cell, unit, block.layer.return_sequences)
    if steps is None:
        return layer, _Inputs(0, 1.0, False)
    outputs = _Inputs(max(map(abs, steps.values)), unit, steps.values == SIGN.values)
    return (_with_thresholds(layer) if layer.reach else layer), outputs


def _with_states(
    layer: Layer,
    cell: keras.layers.SimpleRNNCell | ClockworkCell,
    unit: float,
    sequence: bool,
) -> Layer:
    """Return a layer with its recurrence.

    Args:
        layer: as it reads its inputs.
        cell: of the layer.
        unit: the value in Keras of the level 1 of its states.
        sequence: whether it gives its states after all steps.

    Raises:
        ConfigError: its sums are no whole numbers, or its states no levels.
    """
    codes, sizes = coded(np.asarray(cell.recurrent_kernel))
    rates, mask = cell.activity() if isinstance(cell, ClockworkCell) else (np.ones(layer.units), 1)
    ratio = sizes * unit / layer.scale  # of a product of a state and one of an input
    counts = Fraction(ratio[0]).limit_denominator(LARGEST_DENOMINATOR)
    if layer.steps is None:
        reason = f"its states are real numbers, by the activation {layer.activation}"
    elif not layer.reach or codes is None:
        reason = "its inputs or weights are real numbers"
    elif layer.values != SIGN.values and 0 not in layer.values:
        reason = f"its states are {len(layer.values)} levels without 0"
    elif not counts or not np.allclose(ratio, float(counts), rtol=1e-6):
        reason = f"a product of a state counts {ratio.min():g} to {ratio.max():g} of an input"
    else:
        of_states, of_inputs = counts.as_integer_ratio()
        periods = np.rint(1 / rates).astype("int64")
        kernel = codes.astype("int8") * np.int8(mask)
        recurrence = Recurrence(kernel, of_inputs, of_states, periods, sequence)
        reach = layer.reach * of_inputs + of_states * layer.units * max(map(abs, layer.values))
        return replace(layer, recurrence=recurrence, scale=layer.scale / of_inputs, reach=reach)
    raise ConfigError(f"{layer.name} cannot be exported: {reason}; {STATES}")


def _with_thresholds(layer: Layer) -> Layer:
    """Return a layer of whole sums with the thresholds that decide as float32 does."""
    edges = layer.steps.at if layer.steps else ()
    pairs = [integer_thresholds(_rule(layer, edge), layer.reach, layer.units) for edge in edges]
    threshold = np.stack([threshold for _, threshold in pairs])
    falls = layer.multiplier < 0
    return replace(layer, sign=np.where(falls, -1, 1).astype("int8"), threshold=threshold)


def _rule(layer: Layer, edge: float) -> Callable[[np.ndarray], np.ndarray]:
    def reached(sums: np.ndarray) -> np.ndarray:
        values = (sums * layer.scale).astype("float32") + layer.bias
        return values * layer.multiplier + layer.shift >= np.float32(edge)

    return reached


def _normalization(
    layer: keras.layers.BatchNormalization | None, units: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return multiplier and shift (units,), rounded as Keras rounds them."""
    if layer is None:
        return np.ones(units, "float32"), np.zeros(units, "float32")
    multiplier = ops.rsqrt(layer.moving_variance + layer.epsilon)
    multiplier = multiplier * layer.gamma if layer.scale else multiplier
    shift = -layer.moving_mean * multiplier
    shift = layer.beta + shift if layer.center else shift
    return np.asarray(multiplier), np.asarray(shift)
