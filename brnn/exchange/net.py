"""A net in the form that the formats write: codes, scales and integer thresholds.

Shapes: inputs (n, *shape), flattened to (n, k); kernels (k, m).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from brnn.errors import ConfigError
from brnn.exchange.levels_reader import ACTIVATIONS

SIGN = "sign"
HALF_BYTE = 128  # the first byte that is rounded to 1
HALF = 0.5
FLOAT32_WHOLE = 2**24  # float32 holds all whole numbers up to here


@dataclass(frozen=True)
class Layer:
    """A dense layer with what follows it.

    A layer with a threshold gives +1 where the sum of its codes and inputs is at least the
    threshold, else -1. Any other gives activation((scale sum + bias) multiplier + shift), where
    `sign` is +1 from 0 on, else -1.

    Attributes:
        name: of the dense layer in Keras.
        kernel: codes -1, 0 and +1 as int8, or real values as float32. With a threshold the columns
            of units that give +1 for small sums are negated.
        scale: the value of a product of the code 1 and the input 1.
        bias: (m,) float32.
        multiplier: (m,) float32, of batch normalization; 1 without it.
        shift: (m,) float32, of batch normalization; 0 without it.
        activation: a key of `levels_reader.ACTIVATIONS`.
        threshold: (m,) int64; None where sums are no whole numbers or the activation is no sign.
        reach: the largest size of a sum; 0 where sums are no whole numbers.
    """

    name: str
    kernel: np.ndarray
    scale: float
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    activation: str
    threshold: np.ndarray | None
    reach: int

    @property
    def coded(self) -> bool:
        """Whether the kernel holds codes."""
        return self.kernel.dtype == np.int8

    @property
    def exact(self) -> bool:
        """Whether float32 holds all its sums, in whatever order it adds the products."""
        power_of_two = np.frexp(self.scale)[0] == 0.5
        return bool(power_of_two) and 0 < self.reach < FLOAT32_WHOLE

    @property
    def ternary(self) -> bool:
        """Whether the kernel holds codes, 0 among them."""
        return self.coded and bool((self.kernel == 0).any())

    def output(self, sums: np.ndarray) -> np.ndarray:
        """Return the outputs (n, m) of sums (n, m)."""
        if self.threshold is not None:
            return np.where(sums >= self.threshold, 1, -1)
        values = (sums * self.scale).astype("float32") + self.bias
        return ACTIVATIONS[self.activation](values * self.multiplier + self.shift)


@dataclass(frozen=True)
class Net:
    """A stack of dense layers.

    Attributes:
        shape: of one input.
        inputs: `pixels` for bytes 0 to 255, which the first scale brings to [0, 1]; `bits` for
            inputs that are rounded to 0 or 1; `values` for real numbers.
        cut: bits are 1 from here on: 128 of bytes, 0.5 of real numbers; 0 for other inputs.
        layers: the last one gives the logits.
    """

    shape: tuple[int, ...]
    inputs: Literal["pixels", "bits", "values"]
    cut: float
    layers: tuple[Layer, ...]

    @property
    def exact(self) -> bool:
        """Whether hidden units are signs by thresholds, and float32 rounds no sum of a logit."""
        hidden = all(layer.threshold is not None for layer in self.layers[:-1])
        return hidden and self.layers[-1].exact

    def inputs_of(self, x: np.ndarray) -> np.ndarray:
        """Return inputs (n, *shape) as the first layer takes them, (n, k) in float64."""
        x = x.reshape(len(x), -1)
        return (x >= self.cut if self.cut else x).astype("float64")

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return the logits (n, classes) of inputs (n, *shape)."""
        x = self.inputs_of(x)
        for layer in self.layers:
            x = layer.output(x @ layer.kernel).astype("float64")
        return x.astype("float32")

    @property
    def weights(self) -> int:
        """Number of weights: those of kernels."""
        return sum(layer.kernel.size for layer in self.layers)


@dataclass(frozen=True)
class Exported:
    """A net in a format.

    Attributes:
        suffix: of its file, as `.npz`.
        content: of its file.
        runtimes: what runs `content`, by name: each maps inputs (n, *shape), bytes or real numbers
            as the data set holds them, to logits (n, classes).
    """

    suffix: str
    content: bytes
    runtimes: Mapping[str, Callable[[np.ndarray], np.ndarray]]


def halfway(layer: Layer, signs: bool) -> np.ndarray:
    """Return thresholds (m,) halfway between the last sum below and the first that meets them.

    Sums of codes -1 and +1 with inputs -1 and +1 are all even or all odd, so that these thresholds
    are 1 away from every sum, else a half.

    Args:
        layer: one with a threshold.
        signs: whether its inputs are -1 and +1.
    """
    threshold = np.asarray(layer.threshold)
    if not signs or layer.ternary:
        return threshold - 0.5
    return threshold - ((threshold - len(layer.kernel)) % 2 == 0)


def check_whole(net: Net, name: str, others: str) -> None:
    """Check that a net computes in whole numbers up to its logits.

    Args:
        net: the net.
        name: of the format that needs it.
        others: formats that hold other nets too.

    Raises:
        ConfigError: a layer has real inputs, weights or activations.
    """
    for layer in net.layers:
        reason = ""
        if not layer.coded:
            reason = "has real weights"
        elif layer is not net.layers[-1] and layer.threshold is None:
            reason = f"has the activation {layer.activation}" if layer.reach else "has real inputs"
        elif layer.reach == 0:
            reason = "has real inputs"
        if reason:
            raise ConfigError(
                f"format={name} needs bytes or bits as inputs, weights of two or three levels and"
                f" signs, but {layer.name} {reason}; formats that hold it: {others}"
            )
