"""The quantizers of QONNX: BipolarQuant and Quant.

References:
    Pappalardo et al. 2022, arXiv:2206.07527.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from brnn.errors import DataError

QUANTS = ("Quant", "IntQuant")  # names of one operator
ROUNDINGS: dict[str, Callable[[Any], Any]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "DOWN": np.trunc,
    "ROUND_TO_ZERO": np.trunc,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
}


def bipolar_quant(x: np.ndarray, scale: Any) -> np.ndarray:
    """Return -scale below 0 and +scale from 0 on."""
    return np.where(x >= 0, scale, -np.asarray(scale))


def quant(
    name: str, keys: dict[str, Any], x: np.ndarray, scale: Any, zero: Any, bits: Any
) -> np.ndarray:
    """Return (rounded(x / scale + zero) - zero) scale, within the whole numbers of some bits.

    One bit with a sign is -1 or +1.

    Args:
        name: of the node, for messages.
        keys: its attributes.
        x: the numbers, in float32.
        scale: the distance of two levels, which broadcasts to `x`.
        zero: the whole number of 0.
        bits: of the whole numbers.

    Raises:
        DataError: the rounding is none of `ROUNDINGS`.
    """
    mode = keys.get("rounding_mode", b"ROUND").decode().upper()
    if mode not in ROUNDINGS:
        raise DataError(f"{name}: rounding_mode={mode} is none of {', '.join(ROUNDINGS)}")
    scale, zero, bits = (np.asarray(value, "float32") for value in (scale, zero, bits))
    signed, narrow = keys.get("signed", 1), keys.get("narrow", 1)
    numbers = np.asarray(x, "float32") / scale + zero
    if signed and (bits == 1).all():
        levels = bipolar_quant(numbers, np.float32(1))
    else:
        largest = 2 ** (bits - signed) - 1 - (narrow and not signed)
        least = narrow - 2 ** (bits - 1) if signed else 0
        levels = ROUNDINGS[mode](np.clip(numbers, least, largest))
    return (levels - zero) * scale
