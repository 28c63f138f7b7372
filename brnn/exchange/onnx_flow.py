"""What flows between the nodes of a graph that is read: affine functions of sums, then levels."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from brnn.errors import DataError
from brnn.exchange.incoming import SIGN, TERNARY
from brnn.quantization.layers import step_function

Function = Callable[[np.ndarray], np.ndarray]
LARGE = 1e30  # beyond all thresholds
SMALLEST = 1e-30  # thresholds above 0 and below it are strict comparisons with 0


@dataclass(frozen=True)
class Flow:
    """A tensor function(multiplier sum + shift) of the sums of a layer, or of the inputs.

    Attributes:
        order: (1, …) the position of each element in the map (h, w, c) of the layer.
        multiplier: (c,).
        shift: (c,).
        function: of levels; None where the tensor is affine.
    """

    order: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    function: Function | None = None

    def by_channel(self, name: str, values: np.ndarray) -> np.ndarray:
        """Return the constants (c,) that are joined with each channel.

        Raises:
            DataError: they differ within a channel.
        """
        channel = self.order % len(self.shift)
        try:
            full = np.broadcast_to(np.asarray(values, "float64"), self.order.shape)
        except ValueError:
            raise DataError(
                f"{name}: a constant of shape {np.shape(values)} does not fit {self.order.shape}"
            ) from None
        result = np.zeros(len(self.shift))
        result[channel] = full
        if not np.array_equal(result[channel], full):
            raise DataError(f"{name}: its constant differs within a channel")
        return result

    def affine(self, factor: np.ndarray | float, summand: np.ndarray | float) -> "Flow":
        """Return factor * this + summand."""
        return replace(
            self, multiplier=self.multiplier * factor, shift=self.shift * factor + summand
        )

    @property
    def direction(self) -> int:
        """1 where it rises with multiplier sum + shift, else -1."""
        if self.function is None:
            return 1
        low, high = self.function(np.array([-LARGE, LARGE], "float32"))
        return 1 if low <= high else -1

    def then(self, function: Function) -> "Flow":
        """Return a function of this tensor, which is discrete."""
        inner = self.function
        return replace(self, function=function if inner is None else lambda x: function(inner(x)))


@dataclass(frozen=True)
class Levels:
    """The normal form of a tensor of levels: distance * quantizer(flow) + middle.

    Attributes:
        flow: affine.
        quantizer: `binary` or `ternary`, of scale 1.
        distance: of two levels of three, or half of the distance of two.
        middle: of the levels.
    """

    flow: Flow
    quantizer: str
    distance: float
    middle: float


def levels_of(name: str, flow: Flow) -> Levels:
    """Return a tensor of levels in its normal form.

    Raises:
        DataError: it has other levels than two, or three at equal distances around 0.
    """
    function, direction = flow.function, flow.direction
    plain = replace(flow, function=None).affine(direction, 0.0)
    steps = function and step_function(
        lambda x, _: np.asarray(function(direction * np.asarray(x)), "float32")
    )
    if not steps:
        raise DataError(f"{name}: its inputs are real numbers; only nets of few levels are read")
    at, levels = steps
    middle = (levels[0] + levels[-1]) / 2
    half = (levels[-1] - levels[0]) / 2
    if len(levels) == 2 and 0 < at[0] < SMALLEST:  # greater than 0: not at most 0
        return Levels(plain.affine(-1.0, 0.0), SIGN, -half, middle)
    if len(levels) == 2:
        return Levels(plain.affine(1.0, -at[0]), SIGN, half, middle)
    even = len(levels) == 3 and levels[1] == middle and np.isclose(at[0], -at[1], rtol=1e-6)
    if not even or at[1] < SMALLEST:
        raise DataError(
            f"{name}: its inputs have the levels {', '.join(f'{v:g}' for v in levels)} from"
            f" {', '.join(f'{v:g}' for v in at)} on; only two levels, or three around 0"
            " whose thresholds are not 0, are read"
        )
    return Levels(plain.affine(0.5 / at[1], 0.0), TERNARY, half, middle)
