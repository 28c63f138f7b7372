"""Kernels of levels as codes -1, 0 and +1, and these as bits; the layers of a file of bits."""

from collections.abc import Sequence
from typing import Any

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


def layers_of(arrays: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return the arrays of each layer of a file, with codes in place of bits.

    Kernels of dense layers are (k, m), those of convolutions (y, x, c, m).

    Args:
        arrays: of the file.

    Raises:
        KeyError, ValueError: arrays are missing, or do not fit each other.
    """
    return [_layer(arrays, f"{number}/") for number in range(int(arrays["layers"]))]


def _layer(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, Any]:
    layer = {key.removeprefix(prefix): v for key, v in arrays.items() if key.startswith(prefix)}
    kernel, shape = layer["kernel"], layer["shape"].tolist()
    kernel = unpacked(kernel, shape) if kernel.dtype == np.uint8 else kernel
    rows = shape if "pool" in layer else (-1, shape[-1])
    return layer | {"kernel": kernel.reshape(rows)}
