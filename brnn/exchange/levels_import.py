"""Nets that come as `.npz` files of the format `levels`."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from brnn.errors import DataError
from brnn.exchange.codes import layers_of
from brnn.exchange.incoming import SIGN, TERNARY, Incoming, Part
from brnn.exchange.net import LARGEST_BYTE
from brnn.exchange.window import Window

HALF = 0.5  # from a cut to the next whole sum, which is then 1, not a threshold of the quantizer


def read_levels(path: Path, shape: tuple[int, ...]) -> Incoming:
    """Return the net of a file.

    Args:
        path: of the file.
        shape: of one input of the data.

    Raises:
        DataError: it cannot be read, is of other inputs, or has real activations.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        layers = layers_of(arrays)
        if math.prod(arrays["shape"].tolist()) != math.prod(shape):
            raise DataError(f"{path} is a net of inputs of {arrays['shape'].tolist()}, not {shape}")
        inputs: dict[str, Any] = {}
        distance, middle = float(LARGEST_BYTE), 0.0
        if "at" in arrays:
            cuts = arrays["at"] - 0.5
            quantizer, distance, middle = _levels("the inputs", arrays["values"])
            width = cuts[-1] - cuts[0] or HALF
            scale = {"scale": LARGEST_BYTE / width, "offset": -(cuts[0] + cuts[-1]) / 2 / width}
            inputs = scale | {"quantizer": quantizer}
        parts = []
        for number, layer in enumerate(layers):
            part, distance, middle = _part(f"layer_{number}", layer, distance, middle)
            parts.append(part)
    except DataError:
        raise
    except KeyError as error:
        raise DataError(
            f"{path} is not a complete file of the format levels: it lacks {error}"
        ) from error
    except (OSError, EOFError, LookupError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a complete file of the format levels: {error}") from error
    shape = (*shape, 1)[:3] if parts[0].kernel.ndim == 4 else shape
    return Incoming(shape, tuple(parts), **inputs)


def _levels(name: str, values: np.ndarray) -> tuple[str, float, float]:
    """Return the quantizer of some levels, their distance and their middle.

    The distance of two levels is half of their difference.
    """
    if len(values) not in (2, 3):
        raise DataError(f"{name}: {len(values)} levels; only nets of two or three are read")
    quantizer = SIGN if len(values) == 2 else TERNARY
    return quantizer, float(values[-1] - values[0]) / 2, float(values[-1] + values[0]) / 2


def _part(
    name: str, layer: dict[str, np.ndarray], distance: float, middle: float
) -> tuple[Part, float, float]:
    """Return a layer of inputs distance * quantized + middle, and the same of its outputs."""
    kernel = layer["kernel"].astype("float64")
    window = _window(layer, distance, middle)
    falling = np.broadcast_to(layer.get("falling", False), kernel.shape[-1:])
    sums = kernel.reshape(-1, kernel.shape[-1]).sum(axis=0)
    if "scale" in layer:
        if "at" in layer or str(layer["activation"]) != "linear":
            raise DataError(f"{name}: it has real sums and an activation; only logits may")
        factor = layer["scale"] * layer["multiplier"].astype("float64")
        shift = middle * sums * factor + layer["bias"] * layer["multiplier"] + layer["shift"]
        return Part(name, kernel, distance * factor, shift, None, window), 1.0, 0.0
    cuts = layer["at"] - 0.5  # which no whole sum meets
    width = np.where(cuts[-1] == cuts[0], HALF, cuts[-1] - cuts[0])
    quantizer, next_distance, next_middle = _levels(name, layer["values"])
    shift = (middle * sums - (cuts[0] + cuts[-1]) / 2) / width
    signs = np.where(falling, -1.0, 1.0)
    part = Part(name, kernel * signs, signs * distance / width, shift, quantizer, window)
    return part, next_distance, next_middle


def _window(layer: dict[str, np.ndarray], distance: float, middle: float) -> Window:
    if "pool" not in layer:
        return Window()
    _, rows, columns, _, strides = map(tuple, layer["window"].tolist())
    value = (float(layer.get("pad", 0)) - middle) / distance
    return Window((rows, columns), value, strides, int(layer["pool"]), "falling" in layer)
