"""Kernels of levels as codes -1, 0 and +1, and these as bits."""

from collections.abc import Sequence

import numpy as np


def coded(kernel: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the codes of a kernel (…, m), and the size of the levels of each unit (m,).

    Where the weights of a unit have several sizes, the kernel is real: it has no codes (None), and
    the sizes are 1.
    """
    sizes = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)), initial=0.0).astype("float64")
    sizes = np.where(sizes == 0, 1.0, sizes)
    if not np.isin(np.abs(kernel) / sizes, (0, 1)).all():
        return None, np.ones(len(sizes))
    return np.sign(kernel), sizes


def packed(codes: np.ndarray) -> np.ndarray:
    """Return codes (…, m) as bits (planes, bytes, m).

    The bits of a plane are 1 at codes of +1; codes with zeros have a second plane that is 1 at 0
    too. Bits run along the inputs of a unit, the first in the highest bit of a byte.
    """
    rows = codes.reshape(-1, codes.shape[-1])
    return np.packbits([rows == 1, rows >= 0][: 1 + bool((rows == 0).any())], axis=1)


def unpacked(bits: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return the codes of a shape (…, m) in float64 that `packed` made bits of."""
    planes = np.unpackbits(bits, axis=1, count=int(np.prod(shape[:-1])))
    return 2 * planes.mean(axis=0).reshape(shape) - 1
