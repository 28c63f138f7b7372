"""The format `levels`: packed codes, scales and thresholds in an `.npz` file."""

import io

import numpy as np

from brnn.exchange import levels_reader
from brnn.exchange.net import Exported, Layer, Net


def levels(net: Net) -> Exported:
    """Write packed codes, scales and integer thresholds as an `.npz` file for NumPy.

    A kernel of -1 and +1 takes one bit for each weight, one with zeros two: a plane of bits that
    are 1 at +1, and a second one of those at -1, along the inputs, the first in the highest bit of
    a byte. Real kernels stay float32. `brnn/exchange/levels_reader.py` reads the file; it computes
    sums of codes exactly.
    """
    arrays = {"cut": np.array(net.cut), "layers": np.array(len(net.layers))}
    for number, layer in enumerate(net.layers):
        arrays |= {f"{number}/{key}": value for key, value in _arrays(layer).items()}
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    content = file.getvalue()
    numpy = {"NumPy": lambda x: levels_reader.logits(io.BytesIO(content), x)}
    return Exported(".npz", content, numpy)


def _arrays(layer: Layer) -> dict[str, np.ndarray]:
    kernel = layer.kernel
    if layer.coded:
        planes = [kernel == 1, kernel == -1] if layer.ternary else [kernel == 1]
        kernel = np.packbits(planes, axis=1)
    if layer.threshold is not None:
        return {"kernel": kernel, "threshold": layer.threshold.astype("int32")}
    names = ("scale", "bias", "multiplier", "shift", "activation")
    return {"kernel": kernel} | {name: np.array(getattr(layer, name)) for name in names}
