"""Kernels of levels as codes -1, 0 and +1."""

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
