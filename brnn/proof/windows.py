"""The windows of convolutions and pooling, as ONNX describes them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from brnn.errors import DataError
from brnn.exchange.window import same_pads

Attributes = Mapping[str, Any]


def windows_of(
    name: str, attributes: Attributes, shape: tuple[int, ...], kernel: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the flat positions (h, w, taps) that windows cover, and which lie inside.

    Args:
        name: of the node, for messages.
        attributes: strides, dilations and pads of the windows, as ONNX names them.
        shape: of the tensor, (1, c, h, w).
        kernel: height and width of a window.

    Raises:
        DataError: a window is larger than the tensor.
    """
    if attributes.get("ceil_mode", 0):
        raise DataError(f"{name}: ceil_mode is not supported")
    rows, columns = (
        _line(name, attributes, shape[axis + 2], kernel[axis], axis) for axis in (0, 1)
    )
    y, x = rows[:, None, :, None], columns[None, :, None, :]
    inside = (y >= 0) & (y < shape[2]) & (x >= 0) & (x < shape[3])
    positions = np.where(inside, y * shape[3] + x, 0)
    flat = (len(rows), len(columns), -1)
    return positions.reshape(flat), inside.reshape(flat)


def _line(name: str, attributes: Attributes, size: int, kernel: int, axis: int) -> np.ndarray:
    """Return the positions (outputs, taps) along one axis, some of them outside."""
    stride = (attributes.get("strides") or [1, 1])[axis]
    dilation = (attributes.get("dilations") or [1, 1])[axis]
    reach = (kernel - 1) * dilation + 1
    pads = attributes.get("pads") or [0, 0, 0, 0]
    before, after = pads[axis], pads[axis + 2]
    padding = attributes.get("auto_pad", b"NOTSET").decode()
    if padding in ("SAME_UPPER", "SAME_LOWER"):
        before, after = same_pads(size, reach, stride)
        if padding == "SAME_LOWER":
            before, after = after, before
    count = (size + before + after - reach) // stride + 1
    if count < 1:
        raise DataError(f"{name}: a window of {kernel} is larger than its input of {size}")
    return np.arange(count)[:, None] * stride - before + np.arange(kernel) * dilation
