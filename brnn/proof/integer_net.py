"""Nets of whole numbers, evaluated without rounding; carried sums and positive parts may be real.

Every layer reads all values before it: x (k,) are the inputs and, after them, the values of each
layer so far. In a net without shortcuts and rectifiers, only the columns of the layer before have
weights. A hidden layer computes sums = weights @ x (m,) and gives each unit (n,) a value by the
number of its steps that are up; others carry sums on, or their positive parts. The last layer gives
logits = scale * (weights @ x) + shift.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from brnn.proof.numbers import EXACT


@dataclass(frozen=True)
class Hidden:
    """A layer of units that are step functions of sums.

    Step i of a unit is up where a sum of its window is at least `at[i]`, in exact arithmetic. In
    float32 that may hold only from `rise[i]` on, and fail only as far as `fall[i]`: between them
    rounding decides.
    Where sums are whole and without rounding, `rise = at` and `fall = at - 1`.

    Args:
        weights: (m, k); whole numbers, or real.
        whole: whether all sums are whole numbers.
        windows: (n, w) the sums of each unit; w = 1 without pooling.
        at: (n, w, j) thresholds, ascending.
        rise: (n, w, j).
        fall: (n, w, j).
        values: (n, j + 1) of a unit with 0 to j steps up.
    """

    weights: csr_array
    whole: bool
    windows: np.ndarray
    at: np.ndarray
    rise: np.ndarray
    fall: np.ndarray
    values: np.ndarray

    def sure(self, margin: float, ties: bool) -> "Hidden":
        """Return the layer without inputs whose sums lie where rounding decides.

        Args:
            margin: how far other sums must be from there; whole numbers need none.
            ties: whether sums at a threshold itself count as exact.
        """
        if self.whole:
            return replace(self, rise=self.fall + 1, fall=self.rise - 1)
        if ties:
            return replace(self, rise=self.at, fall=self.at - margin)
        return replace(self, rise=self.fall + margin, fall=self.rise - margin)

    def is_rounded(self, sums: np.ndarray) -> np.ndarray:
        """Return for which sums (m, b) rounding may decide a step (b,)."""
        sums = sums[self.windows][:, :, None]
        rise, fall = self.rise[..., None], self.fall[..., None]
        up = ((sums >= rise) & (sums > fall)).any(axis=1)
        down = ((sums < rise) & (sums <= fall)).all(axis=1)
        return np.any(~(up | down), axis=(0, 1))

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """Return the units (n, b) of values (k, b)."""
        return self.of_sums(self.weights @ x)

    def of_sums(self, sums: np.ndarray) -> np.ndarray:
        """Return the units (n, b) of sums (m, b)."""
        sums = sums[self.windows]
        steps = (np.any(sums >= self.at[:, :, i, None], axis=1) for i in range(self.at.shape[2]))
        up = sum(steps, np.zeros((len(self.values), sums.shape[-1]), "int64"))
        return np.take_along_axis(self.values, up, axis=1)


@dataclass(frozen=True)
class Carried:
    """Sums that later layers read as they are: what a shortcut carries past a hidden layer.

    Args:
        weights: (n, k); whole numbers, or real.
        whole: whether all sums are whole numbers.
    """

    weights: csr_array
    whole: bool

    def sure(self, margin: float, ties: bool) -> "Carried":
        """Return the layer as it is: it has no thresholds."""
        return self

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """Return the sums (n, b) of values (k, b)."""
        return self.weights @ x

    def of_sums(self, sums: np.ndarray) -> np.ndarray:
        """Return sums (n, b) as they are."""
        return sums


@dataclass(frozen=True)
class Rectified:
    """The positive part max(sum - at, 0) of each sum.

    A PReLU is an affine function of a sum and this.

    Args:
        weights: (n, k); whole numbers, or real.
        at: (n,).
    """

    weights: csr_array
    at: np.ndarray

    @property
    def whole(self) -> bool:
        """Always false: positive parts are real numbers."""
        return False

    def sure(self, margin: float, ties: bool) -> "Rectified":
        """Return the layer as it is: it has no thresholds."""
        return self

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """Return the positive parts (n, b) for values (k, b)."""
        return self.of_sums(self.weights @ x)

    def of_sums(self, sums: np.ndarray) -> np.ndarray:
        """Return the positive parts (n, b) of sums (n, b)."""
        return np.maximum(sums - self.at[:, None], 0.0)


Layer = Hidden | Carried | Rectified


@dataclass(frozen=True)
class Last:
    """The layer of logits.

    Args:
        weights: (c, k); whole numbers, or real.
        scale: (c,).
        shift: (c,).
        error: (c,) bounds on the rounding of float32; 0 where a logit is exact.
    """

    weights: csr_array
    scale: np.ndarray
    shift: np.ndarray
    error: np.ndarray

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return the logits (c, b) of inputs (k, b)."""
        return self.scale[:, None] * (self.weights @ x) + self.shift[:, None]

    def difference(self, first: int, second: int) -> tuple[np.ndarray, float, float]:
        """Return weights (k,), constant and rounding of logit `first` minus logit `second`.

        The weights are whole numbers where both logits are whole.
        """
        rows = self.weights[[first, second]].toarray()
        row = self.scale[first] * rows[0] - self.scale[second] * rows[1]
        rounding = self.error[first] + self.error[second]
        return row, float(self.shift[first] - self.shift[second]), float(rounding)


@dataclass(frozen=True)
class IntegerNet:
    """A net as layers of whole numbers.

    Args:
        hidden: its layers but the last.
        last: the layer of logits.
        shape: of one input, without the batch axis.
    """

    hidden: tuple[Layer, ...]
    last: Last
    shape: tuple[int, ...]

    @property
    def inputs(self) -> int:
        """The number of inputs."""
        return math.prod(self.shape)

    def slope(self) -> float:
        """Return the largest change of any sum if inputs change by at most 1, and no step does."""
        changes, largest = np.ones(self.inputs), 0.0
        for layer in self.hidden:
            sums = abs(layer.weights) @ changes
            largest = max(largest, float(sums.max()))
            outputs = np.zeros(len(layer.values)) if isinstance(layer, Hidden) else sums
            changes = np.concatenate([changes, outputs])
        return largest

    def grid(self, sizes: np.ndarray) -> float:
        """Return a power of two, whose multiples up to these sizes (k,) are exact in float32.

        If the weights of the first layer are whole numbers, its sums are exact as well.
        """
        first, largest = self.hidden[0].weights, float(sizes.max(initial=0.0))
        if first.dtype == "int64":
            largest = max(largest, float((abs(first) @ sizes).max(initial=0.0)))
        return 2.0 ** -math.floor(math.log2(EXACT / (largest or 1.0)))

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Return the logits (b, c) of inputs (b, ...), computed in whole numbers.

        Inputs that are whole are added in int64. Others are exact as far as float64 is: multiples
        of a power of two with sums below 2^53 of these. Positive parts are computed in float64.
        """
        x = _columns(inputs)
        for layer in self.hidden:
            x = np.concatenate([x, layer.outputs(x)])
        return self.last.logits(x).T

    def is_rounded(self, inputs: np.ndarray) -> np.ndarray:
        """Return for which inputs (b, ...) rounding may decide a step (b,)."""
        x, result = _columns(inputs), np.zeros(len(inputs), bool)
        for layer in self.hidden:
            sums = layer.weights @ x
            if isinstance(layer, Hidden):
                result |= layer.is_rounded(sums)
            x = np.concatenate([x, layer.of_sums(sums)])
        return result


def _columns(inputs: np.ndarray) -> np.ndarray:
    """Return inputs (b, ...) as columns (k, b), in int64 where they are whole."""
    x = np.asarray(inputs, "float64").reshape(len(inputs), math.prod(inputs.shape[1:])).T
    return x.astype("int64") if (x == np.rint(x)).all() else x
