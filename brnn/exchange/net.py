"""A net in the form that the formats write: codes, scales and integer thresholds.

Shapes: inputs (n, *shape); maps (n, h, w, c); kernels of dense layers (k, m), of convolutions
(y, x, c, m).
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from brnn.exchange.levels_reader import outputs, summed
from brnn.exchange.recurrence import Recurrence
from brnn.exchange.window import Window

FLOAT32_WHOLE = 2**24  # float32 holds all whole numbers up to here
BYTE = 8  # bits
LARGEST_BYTE = 255


@dataclass(frozen=True)
class Steps:
    """A step function: `values[i]` where an input reaches `i` of the numbers `at`.

    Attributes:
        at: ascending.
        values: ascending whole numbers at equal distances, one more than `at`.
    """

    at: tuple[float, ...]
    values: tuple[int, ...]


SIGN = Steps((0.0,), (-1, 1))


@dataclass(frozen=True)
class Layer:
    """A dense layer or a convolution with what follows it.

    A layer with thresholds gives `steps.values[i]` where sign * sum reaches `i` of the thresholds
    of its unit. Any other gives steps or activation of (scale sum + bias) multiplier + shift.

    Attributes:
        name: of the layer in Keras.
        kernel: codes -1, 0 and +1 as int8, or real values as float32.
        scale: (m,) float64; the value of a product of the code 1 and the input 1.
        bias: (m,) float32.
        multiplier: (m,) float32, of batch normalization; 1 without it.
        shift: (m,) float32, of batch normalization; 0 without it.
        activation: a key of `levels_reader.ACTIVATIONS`; `linear` where there are steps.
        steps: of a quantized activation, on real numbers.
        sign: (m,) int8; -1 for units whose outputs fall as their sums grow; 1 without thresholds.
        threshold: (j, m) int64, ascending; None where sums are no whole numbers or there are no
            steps.
        reach: the largest size of a sum; 0 where sums are no whole numbers.
        signs: whether all its inputs are -1 and +1.
        window: of a convolution.
        recurrence: of a recurrent layer, which has thresholds.
    """

    name: str
    kernel: np.ndarray
    scale: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    activation: str
    steps: Steps | None
    sign: np.ndarray
    threshold: np.ndarray | None
    reach: int
    signs: bool
    window: Window = field(default_factory=Window)
    recurrence: Recurrence | None = None

    @property
    def coded(self) -> bool:
        """Whether the kernel holds codes."""
        return self.kernel.dtype == np.int8

    @property
    def exact(self) -> bool:
        """Whether float32 holds all its sums, in whatever order it adds the products."""
        powers_of_two = (np.frexp(self.scale)[0] == 0.5).all()
        return bool(powers_of_two) and 0 < self.reach < FLOAT32_WHOLE

    @property
    def ternary(self) -> bool:
        """Whether the kernel holds codes, 0 among them."""
        return self.coded and bool((self.kernel == 0).any())

    @property
    def convolves(self) -> bool:
        """Whether it is a convolution."""
        return self.kernel.ndim == 4

    @property
    def values(self) -> tuple[int, ...]:
        """The levels of its outputs, ascending; none where they are real numbers."""
        return self.steps.values if self.steps else ()

    @property
    def units(self) -> int:
        """Number of units, or of channels."""
        return self.kernel.shape[-1]

    @property
    def rising(self) -> np.ndarray:
        """The kernel of sign * sum, which outputs grow with."""
        return self.kernel * self.sign

    @property
    def falling(self) -> np.ndarray:
        """Which units (m,) give the smallest of the outputs of a window: sums were pooled."""
        return (self.multiplier < 0) & self.window.pool_first

    @property
    def products(self) -> int:
        """Number of products in a sum."""
        return self.kernel.size // self.units

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """What follows the sums of `rising`, as the format `levels` names it."""
        if self.threshold is not None:
            arrays = {"at": self.threshold}
        else:
            names = ("scale", "bias", "multiplier", "shift", "activation")
            arrays = {name: np.array(getattr(self, name)) for name in names}
            arrays |= {"at": np.array(self.steps.at)} if self.steps else {}
        if self.steps:
            arrays["values"] = np.array(self.values)
        if self.convolves:
            arrays["pool"] = np.array(self.window.pool)
        if self.falling.any():
            arrays["falling"] = self.falling
        return arrays

    def sums(self, x: np.ndarray) -> np.ndarray:
        """Return the sums of inputs; of a recurrent layer those of all steps."""
        sums = self._sums_of_inputs(x, self.kernel)
        return sums if self.recurrence is None else self.recurrence.sums(sums, self._outputs)

    def sizes(self, x: np.ndarray) -> np.ndarray:
        """Return sums of the sizes of all products; -infinity where float32 rounds none of them."""
        sizes = self._sums_of_inputs(np.abs(x), np.abs(self.kernel))
        if self.recurrence is None:
            return sizes
        of_state = self.recurrence.of_states * max(map(abs, self.values))
        rounded = (np.frexp(self.scale * of_state)[0] != 0.5) | (sizes > 0)
        return np.where(rounded, self.recurrence.of_inputs * sizes + self.units * of_state, -np.inf)

    def _sums_of_inputs(self, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        if self.convolves:
            return summed(x, kernel, self.window.numbers, self.window.pad_value)
        sums = x.reshape(-1, self.products) @ kernel.astype("float64")
        return sums.reshape(*x.shape[:2], -1) if self.recurrence else sums

    def output(self, sums: np.ndarray) -> np.ndarray:
        """Return the outputs of sums."""
        values = self._outputs(sums)
        return self.recurrence.states(values) if self.recurrence else values

    def _outputs(self, sums: np.ndarray) -> np.ndarray:
        if self.convolves:
            return outputs(sums * self.sign, self.arrays)
        rows = sums.reshape(-1, 1, 1, self.units) * self.sign
        return outputs(rows, self.arrays).reshape(sums.shape)


@dataclass(frozen=True)
class Net:
    """A chain of layers.

    Attributes:
        shape: of one input.
        inputs: `pixels` for bytes 0 to 255, which the first scale brings to [0, 1]; `levels` for
            inputs that become few whole numbers; `values` for real numbers.
        of_bytes: whether the data set has bytes.
        steps: of inputs that become `levels`: on bytes where there are bytes, else on real numbers.
        layers: the last one gives the logits.
    """

    shape: tuple[int, ...]
    inputs: Literal["pixels", "levels", "values"]
    of_bytes: bool
    steps: Steps | None
    layers: tuple[Layer, ...]

    @property
    def exact(self) -> bool:
        """Whether hidden units have thresholds, and float32 rounds no sum of a logit."""
        hidden = all(layer.threshold is not None for layer in self.layers[:-1])
        return hidden and self.layers[-1].exact

    @property
    def maps(self) -> list[tuple[int, ...]]:
        """The shapes of the inputs of each layer, without the batch axis, then that of the logits.

        An image has an axis of channels where the first layer is a convolution.
        """
        first = (*self.shape, 1)[:3] if self.layers[0].convolves else self.shape
        shapes = [first]
        for layer in self.layers:
            shapes.append(_output_shape(layer, shapes[-1]))
        return shapes

    @property
    def pixel_cuts(self) -> tuple[float, ...]:
        """The steps of inputs on pixels in [0, 1], halfway between two bytes, or on real inputs."""
        at = self.steps.at if self.steps else ()
        return tuple((edge - 0.5) / LARGEST_BYTE for edge in at) if self.of_bytes else at

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The steps of its inputs, as the format `levels` names them."""
        steps = self.steps
        return {"at": np.array(steps.at), "values": np.array(steps.values)} if steps else {}

    def inputs_of(self, x: np.ndarray) -> np.ndarray:
        """Return inputs (n, *shape) as the first layer takes them, in float64."""
        x = outputs(x.reshape(len(x), 1, 1, -1), self.arrays)
        return x.reshape(len(x), *self.maps[0]).astype("float64")

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return the logits (n, classes) of inputs (n, *shape)."""
        x = self.inputs_of(x)
        for layer in self.layers:
            x = layer.output(layer.sums(x)).astype("float64")
        return x.astype("float32")

    @property
    def classes(self) -> int:
        """Number of logits."""
        return self.layers[-1].units

    @property
    def weights(self) -> int:
        """Number of weights: those of kernels."""
        return sum(layer.kernel.size for layer in self.layers)


def _output_shape(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    if layer.recurrence and layer.recurrence.sequence:
        return (shape[0], layer.units)
    if not layer.convolves:
        return (layer.units,)
    sizes = layer.window.of_sums(shape, layer.kernel.shape)
    return (*(size // layer.window.pool for size in sizes), layer.units)


def halfway(layer: Layer) -> np.ndarray:
    """Return thresholds (j, m) halfway between the last sum below and the first that meets them.

    Sums of codes -1 and +1 with inputs -1 and +1 are all even or all odd, so that these thresholds
    are 1 away from every sum, else a half.

    Args:
        layer: one with thresholds.
    """
    threshold = np.asarray(layer.threshold)
    zeros = layer.window.padded and layer.window.pad_value == 0
    if not layer.signs or layer.ternary or zeros:
        return threshold - 0.5
    return threshold - ((threshold - layer.products) % 2 == 0)
