"""Nets that come from files, as Keras models whose activations are those of a precision.

Shapes: inputs (n, *shape); maps (n, h, w, c); kernels of dense layers (k, m), of convolutions
(y, x, c, m).
"""

from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
from keras import ops

from brnn.errors import DataError
from brnn.exchange.codes import coded
from brnn.exchange.net import LARGEST_BYTE
from brnn.exchange.window import Window

PLACEHOLDER = "tanh"  # in place of each quantized activation
SIGN, TERNARY = "binary", "ternary"  # quantizers of levels -1, (0,) +1
NEAR = 1e-6  # of a whole number, a threshold is one
EPSILON = 1e-3  # of Keras' batch normalization


@dataclass(frozen=True)
class Part:
    """A dense layer or a convolution, and what follows it.

    It gives quantized(multiplier sum + shift), or without a quantizer multiplier sum + shift.

    Attributes:
        name: of the layer.
        kernel: real, or codes.
        multiplier: (m,).
        shift: (m,).
        quantizer: `binary`, `ternary` or None.
        window: of a convolution.
    """

    name: str
    kernel: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    quantizer: str | None = None
    window: Window = field(default_factory=Window)

    def pooled(self, size: int, direction: float = 1.0) -> "Part":
        """Return the part with max-pooling of its outputs.

        The largest output of a window is that of the largest sum where the multiplier is positive
        and outputs rise; so kernels are negated where that makes it so.

        Args:
            size: of the windows.
            direction: negative where outputs fall as multiplier sum + shift grows.
        """
        sign = np.where(self.multiplier * direction < 0, -1.0, 1.0)
        kernel, multiplier = self.kernel * sign, self.multiplier * sign
        window = replace(self.window, pool=size, pool_first=True)
        return replace(self, kernel=kernel, multiplier=multiplier, window=window)


@dataclass(frozen=True)
class Incoming:
    """A net that has been read, of inputs in [0, 1].

    Attributes:
        shape: of one input, with an axis of channels where the first layer is a convolution.
        scale: of inputs in [0, 1] before they are quantized.
        offset: the same.
        quantizer: of the inputs; None leaves them as they are.
        parts: the layers; the last one gives the logits.
    """

    shape: tuple[int, ...]
    parts: tuple[Part, ...]
    scale: float = 1.0
    offset: float = 0.0
    quantizer: str | None = None


@dataclass(frozen=True)
class Imported:
    """A net for training and attacks.

    Attributes:
        model: of Keras' own layers; each quantized activation is one of `PLACEHOLDER`.
        precision: keys of `precision=custom`.
        real: names of layers that stay real-valued.
    """

    model: keras.Model
    precision: dict[str, Any]
    real: list[str] = field(default_factory=list)


def imported(net: Incoming, of_bytes: bool) -> Imported:
    """Return a net as a Keras model.

    Sums of grey bytes that are exactly at a threshold would be moved by the rounding of pixels, so
    thresholds of a first layer of codes are put halfway between two sums of bytes.

    Args:
        net: the net.
        of_bytes: whether its inputs are bytes, which it is given divided by 255.

    Raises:
        DataError: its activations or kernels have different levels, or its layers do not fit its
            inputs.
    """
    quantizers = {net.quantizer, *(part.quantizer for part in net.parts)} - {None}
    if len(quantizers) > 1:
        raise DataError("the activations of the net have two levels and three; they must be equal")
    parts: list[tuple[Part, bool]] = []
    zeros = False
    for part in net.parts:
        codes, sizes = coded(part.kernel)
        zeros |= codes is not None and bool((codes == 0).any())
        if codes is not None:
            part = replace(part, kernel=codes, multiplier=part.multiplier * sizes)
            if of_bytes and not parts and net.quantizer is None and part.quantizer == SIGN:
                part = replace(part, shift=_halfway(part))
        parts.append((part, codes is None))
    try:
        model = _model(net, [part for part, _ in parts])
    except ValueError as error:  # of Keras
        reason = " ".join(str(error).split())
        raise DataError(f"the net does not fit inputs of {net.shape}: {reason}") from error
    level, discrete = {"scale": 1.0}, not all(is_real for _, is_real in parts)
    kernel = {"quantizer": TERNARY if zeros else SIGN} | level if discrete else None
    precision = {
        "kernel": kernel,
        "recurrent_kernel": None,
        "bias": None,
        "activation": {"quantizer": quantizers.pop()} | level if quantizers else None,
    }
    return Imported(model, precision, [part.name for part, is_real in parts if is_real])


def _halfway(part: Part) -> np.ndarray:
    """Return shifts that give the same signs of all sums k / 255, and are met by none of them."""
    factor = np.where(part.multiplier == 0, 1.0, part.multiplier / LARGEST_BYTE)
    threshold = -part.shift / factor
    near = np.rint(threshold)
    threshold = np.where(np.abs(threshold - near) < NEAR, near, threshold)
    middle = np.where(factor > 0, np.ceil(threshold) - 0.5, np.floor(threshold) + 0.5)
    return np.where(part.multiplier == 0, part.shift, -middle * factor)


def _model(net: Incoming, parts: list[Part]) -> keras.Model:
    x = inputs = keras.Input(net.shape)
    if net.quantizer:
        if (net.scale, net.offset) != (1.0, 0.0):
            x = keras.layers.Rescaling(net.scale, net.offset, name="rescaled")(x)
        x = keras.layers.Activation(PLACEHOLDER, name="levels")(x)
    for part in parts:
        x = _layer(part, x)
        first = part.window.pool_first
        x = _pooled(part, x) if first else x
        x = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{part.name}_normalization")(x)
        if part.quantizer:
            x = keras.layers.Activation(PLACEHOLDER, name=f"{part.name}_levels")(x)
        x = x if first else _pooled(part, x)
    model = keras.Model(inputs, x)
    for part in parts:
        model.get_layer(part.name).set_weights([part.kernel])
        zeros = np.zeros(len(part.shift))
        variance = np.full(len(part.shift), np.float32(1) - np.float32(EPSILON))  # 1 with epsilon
        values = [part.multiplier, part.shift, zeros, variance]
        model.get_layer(f"{part.name}_normalization").set_weights(values)
    return model


def _layer(part: Part, x: Any) -> Any:
    units = part.kernel.shape[-1]
    if part.kernel.ndim == 2:
        x = x if len(x.shape) == 2 else keras.layers.Flatten()(x)
        return keras.layers.Dense(units, use_bias=False, name=part.name)(x)
    pads, value = part.window.pads, part.window.pad_value
    if part.window.padded and value == 0:
        x = keras.layers.ZeroPadding2D(pads)(x)
    elif part.window.padded:
        x = ops.pad(x, ((0, 0), *pads, (0, 0)), constant_values=value)
    return keras.layers.Conv2D(
        units,
        part.kernel.shape[:2],
        strides=part.window.strides,
        use_bias=False,
        name=part.name,
    )(x)


def _pooled(part: Part, x: Any) -> Any:
    return x if part.window.pool == 1 else keras.layers.MaxPooling2D(part.window.pool)(x)
