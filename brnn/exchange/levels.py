"""The format `levels`: packed codes, scales and thresholds in an `.npz` file."""

import io

import numpy as np

from brnn.exchange import levels_reader
from brnn.exchange.batches import in_batches
from brnn.exchange.codes import packed
from brnn.exchange.exported import Exported
from brnn.exchange.limits import check_no_states
from brnn.exchange.net import Layer, Net
from brnn.exchange.speed import seconds


def levels(net: Net) -> Exported:
    """Write packed codes, scales and integer thresholds as an `.npz` file for NumPy.

    A kernel of -1 and +1 takes one bit for each weight, one with zeros two bits. Real kernels stay
    float32. `brnn/exchange/levels_reader.py` reads the file; it computes sums of codes exactly.
    """
    check_no_states(net, "levels")
    arrays = {"layers": np.array(len(net.layers)), "shape": np.array(_map(net.maps[0]))}
    arrays |= net.arrays
    for number, (layer, shape) in enumerate(zip(net.layers, net.maps, strict=False)):
        arrays |= {f"{number}/{key}": value for key, value in _arrays(layer, shape).items()}
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    content = file.getvalue()

    def logits(x: np.ndarray) -> np.ndarray:
        return levels_reader.logits(io.BytesIO(content), x)

    runtimes = {"NumPy": lambda x: in_batches(logits, x)}
    return Exported(".npz", content, runtimes, lambda x: seconds(lambda: logits(x)))


def _arrays(layer: Layer, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return the arrays of a layer that reads maps of a shape."""
    kernel = layer.rising
    rows = kernel.shape[:-1] if layer.convolves else _map(shape)
    arrays = {
        "kernel": packed(kernel) if layer.coded else kernel,
        "shape": np.array([*rows, layer.units]),
        "window": layer.window.numbers,
    }
    if layer.window.pad_value:
        arrays["pad"] = np.array(layer.window.pad_value)
    if layer.threshold is None:
        return arrays | layer.arrays
    kind = np.min_scalar_type(-layer.reach - 2)  # holds thresholds from -reach to reach + 1
    return arrays | layer.arrays | {"at": layer.threshold.astype(kind)}


def _map(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a map (h, w, c), of one place where there is no map."""
    return shape if len(shape) == 3 else (1, 1, int(np.prod(shape)))
