"""How convolutions and poolings move over maps (n, h, w, c)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Pads = tuple[tuple[int, int], tuple[int, int]]  # rows before and after, columns before and after


@dataclass(frozen=True)
class Window:
    """How a convolution, and the max-pooling after it, move over a map.

    Attributes:
        pads: rows and columns around the map.
        pad_value: their value, as inputs count.
        strides: of the convolution.
        pool: height, width and strides of pooling; 1 for none.
        pool_first: whether sums are pooled, else the outputs of the activation.
    """

    pads: Pads = ((0, 0), (0, 0))
    pad_value: float = 0.0
    strides: tuple[int, int] = (1, 1)
    pool: int = 1
    pool_first: bool = False

    @property
    def padded(self) -> bool:
        """Whether there are any pads."""
        return any(sum(self.pads, ()))

    def of_sums(self, size: Sequence[int], kernel: Sequence[int]) -> tuple[int, int]:
        """Return rows and columns of the sums of a kernel (rows, columns) on a map of a size."""
        rows, columns = (
            (size[i] + sum(self.pads[i]) - kernel[i]) // self.strides[i] + 1 for i in (0, 1)
        )
        return rows, columns

    @property
    def pools_sums(self) -> bool:
        """Whether there is pooling, of sums."""
        return self.pool > 1 and self.pool_first

    @property
    def numbers(self) -> np.ndarray:
        """The pads of each axis (n, h, w, c), and the strides (5, 2)."""
        return np.array([(0, 0), *self.pads, (0, 0), self.strides])


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the pads before and after an axis where Keras pads by `same`."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
