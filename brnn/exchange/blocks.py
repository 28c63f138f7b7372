"""Keras nets as chains of blocks: a layer with weights, and what follows it."""

from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from brnn.errors import ConfigError
from brnn.exchange.levels_reader import ACTIVATIONS
from brnn.exchange.window import Pads, Window, same_pads
from brnn.nets.cells import ClockworkCell
from brnn.quantization.layers import QuantActivation, step_function

HARMLESS = keras.layers.InputLayer | keras.layers.Dropout
SHAPING = keras.layers.Flatten | keras.layers.Reshape
CHAIN = (
    "every format holds chains of dense layers and convolutions alone, such as topology=dense and"
    " convolutional"
)
STATES = (
    "format=c holds recurrent layers whose states are levels, such as topology=rnn and clockwork"
    " with precision=binarynet on bytes; no format holds others"
)
Thresholds = tuple[list[float], list[float]]  # thresholds and levels of a quantized activation


@dataclass
class Block:
    """A dense layer, a convolution or a recurrent layer, and the layers of Keras that follow it.

    Attributes:
        layer: the layer with the weights.
        window: its pads, whose value is that in Keras, its strides, and the pooling after it.
        normalization: after the layer, and after pooling that comes first.
        activation: after the normalization.
    """

    layer: keras.layers.Dense | keras.layers.Conv2D | keras.layers.RNN
    window: Window
    normalization: keras.layers.BatchNormalization | None = None
    activation: QuantActivation | keras.layers.Activation | None = None

    @property
    def name(self) -> str:
        return self.layer.name

    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Return kernel and bias, zeros if there is none."""
        layer = self.cell or self.layer
        kernel = np.asarray(layer.kernel)
        is_biased = layer.bias is not None
        return kernel, np.asarray(layer.bias) if is_biased else np.zeros(len(kernel.T), "float32")

    @property
    def cell(self) -> keras.layers.SimpleRNNCell | ClockworkCell | None:
        """The cell of a recurrent layer."""
        return self.layer.cell if isinstance(self.layer, keras.layers.RNN) else None


@dataclass
class _Chain:
    """The blocks read so far.

    Attributes:
        before: layers before the first block, which quantize the inputs.
        blocks: in their order.
        pads: those before the next convolution, and their value.
    """

    before: list[keras.layers.Layer] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    pads: tuple[Pads, float] | None = None


def blocks_of(model: keras.Model) -> tuple[list[keras.layers.Layer], list[Block]]:
    """Return the layers that quantize the inputs of a model, and its blocks.

    Raises:
        ConfigError: it is not a chain of dense layers and convolutions.
    """
    chain = _Chain()
    for layer in getattr(model, "operations", model.layers):  # of a graph, others than layers too
        if not _taken(chain, layer):
            raise ConfigError(f"{layer.name} ({type(layer).__name__}) cannot be exported; {CHAIN}")
    if not chain.blocks:
        raise ConfigError(f"the net has no layer with weights; {CHAIN}")
    if chain.before and not isinstance(last := chain.before[-1], QuantActivation):
        raise ConfigError(
            f"{last.name} ({type(last).__name__}) changes the inputs, which no format holds; they"
            " hold inputs as the data have them (dataset.normalization=none), or few levels"
        )
    return chain.before, chain.blocks


def _taken(chain: _Chain, layer: Any) -> bool:
    """Add a layer to a chain, and return whether it can be part of one."""
    if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D):
        return _takes_weights(chain, layer)
    if isinstance(layer, keras.layers.RNN):
        return _takes_states(chain, layer)
    if isinstance(layer, HARMLESS):
        return True
    if isinstance(layer, SHAPING):
        return len(layer.output.shape) == 2 or not chain.blocks
    if isinstance(layer, keras.layers.ZeroPadding2D) or type(layer).__name__ == "Pad":
        return _takes_pads(chain, layer)
    if not chain.blocks:
        chain.before.append(layer)
        return isinstance(layer, QuantActivation | keras.layers.Rescaling)
    return _follows(chain.blocks[-1], layer)


def _takes_weights(chain: _Chain, layer: keras.layers.Dense | keras.layers.Conv2D) -> bool:
    window = Window()
    if isinstance(layer, keras.layers.Conv2D):
        pads, value = chain.pads or (_same_pads(layer), 0.0)
        window = Window(pads, value, tuple(layer.strides))
        simple = layer.groups == 1 and tuple(layer.dilation_rate) == (1, 1)
        if not simple or layer.data_format != "channels_last":
            return False
    elif len(layer.input.shape) != 2 or chain.pads:
        return False
    chain.pads = None
    linear = layer.activation is keras.activations.linear
    activation = None if linear else keras.layers.Activation(layer.activation)
    chain.blocks.append(Block(layer, window, activation=activation))
    return True


def _takes_states(chain: _Chain, layer: keras.layers.RNN) -> bool:
    cell = layer.cell
    if not isinstance(cell, keras.layers.SimpleRNNCell | ClockworkCell):
        raise ConfigError(
            f"the states of {layer.name} ({type(cell).__name__}) are no levels, but mixed by gates;"
            f" {STATES}"
        )
    quantized = isinstance(cell.activation, QuantActivation)
    activation = cell.activation if quantized else keras.layers.Activation(cell.activation)
    chain.blocks.append(Block(layer, Window(), activation=activation))
    return not (layer.stateful or layer.go_backwards or layer.return_state)


def _same_pads(layer: keras.layers.Conv2D) -> Pads:
    """Return the zeros that a convolution itself adds around its input."""
    if layer.padding != "same":
        return ((0, 0), (0, 0))
    axes = zip(layer.input.shape[1:3], layer.kernel_size, layer.strides, strict=True)
    rows, columns = (same_pads(*axis) for axis in axes)
    return rows, columns


def _takes_pads(chain: _Chain, layer: Any) -> bool:
    if isinstance(layer, keras.layers.ZeroPadding2D):
        chain.pads = tuple(layer.padding), 0.0
        return True
    rows, columns = (tuple(pair) for pair in layer.pad_width[1:3])
    zeros = np.zeros((1, *layer.input.shape[1:]), "float32")
    padded = np.asarray(keras.Model(layer.input, layer.output)(zeros))
    chain.pads = (rows, columns), float(padded.ravel()[np.abs(padded).argmax()])
    return layer.mode == "constant"


def _follows(block: Block, layer: Any) -> bool:
    """Add a layer to a block, and return whether it may follow what the block already has."""
    if isinstance(layer, keras.layers.MaxPooling2D):
        return _takes_pooling(block, layer)
    if isinstance(layer, keras.layers.BatchNormalization):
        is_free = not block.normalization and not block.activation
        block.normalization = layer
        return is_free and (block.window.pool == 1 or block.window.pool_first)
    if isinstance(layer, QuantActivation | keras.layers.Activation):
        is_free = not block.activation
        block.activation = layer
        return is_free
    return False


def _takes_pooling(block: Block, layer: keras.layers.MaxPooling2D) -> bool:
    size, other = layer.pool_size
    square = size == other and tuple(layer.strides) == (size, size) and layer.padding == "valid"
    first = block.normalization is None and block.activation is None
    is_free = block.window.pool == 1 and (first or block.activation is not None)
    block.window = replace(block.window, pool=size, pool_first=first)
    return square and is_free and layer.data_format == "channels_last"


def activation_of(block: Block) -> tuple[str, Thresholds | None]:
    """Return the name of an activation, or `linear` and its thresholds and levels.

    Raises:
        ConfigError: it is neither a step function nor in `ACTIVATIONS`.
    """
    layer = block.activation
    if isinstance(layer, QuantActivation):
        if steps := step_function(layer.quantizer):
            return "linear", steps
        name = "a quantizer of many levels"
    else:
        name = keras.activations.serialize(layer.activation) if layer else "linear"
        if name in ACTIVATIONS:
            return name, None
    raise ConfigError(
        f"the activation of {block.name} is {name}, which no format holds; they hold"
        f" {', '.join(ACTIVATIONS)} and step functions"
    )
