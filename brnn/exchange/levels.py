"""The format `levels`: packed codes, scales and thresholds in an `.npz` file."""

import io

import numpy as np

from brnn.exchange import levels_reader
from brnn.exchange.exported import Exported
from brnn.exchange.limits import check_no_states
from brnn.exchange.net import SIGN, Layer, Net
from brnn.exchange.speed import seconds


def levels(net: Net) -> Exported:
    """Write packed codes, scales and integer thresholds as an `.npz` file for NumPy.

    A kernel of -1 and +1 takes one bit for each weight, one with zeros two bits: a plane of bits
    that are 1 at +1, and a second plane of bits that are 1 at -1. Bits run along the inputs, the
    first in the highest bit of a byte. Real kernels stay float32. `brnn/exchange/levels_reader.py`
    reads the file; it computes sums of codes exactly.
    """
    check_no_states(net, "levels")
    arrays = {"layers": np.array(len(net.layers))}
    if net.steps is not None:
        arrays |= {"at": np.array(net.steps.at), "values": np.array(net.steps.values)}
    for number, layer in enumerate(net.layers):
        arrays |= {f"{number}/{key}": value for key, value in _arrays(layer).items()}
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    content = file.getvalue()

    def logits(x: np.ndarray) -> np.ndarray:
        return levels_reader.logits(io.BytesIO(content), x)

    return Exported(".npz", content, {"NumPy": logits}, lambda x: seconds(lambda: logits(x)))


def _arrays(layer: Layer) -> dict[str, np.ndarray]:
    kernel, steps, window = layer.rising, layer.steps, layer.window
    if layer.coded:
        codes = kernel.reshape(-1, layer.units)
        kernel = np.packbits([codes == 1, codes == -1][: 1 + layer.ternary], axis=1)
    arrays = {"kernel": kernel, "shape": np.array(layer.kernel.shape)}
    if layer.threshold is not None:
        arrays["at"] = layer.threshold.astype("int32")
    else:
        names = ("scale", "bias", "multiplier", "shift", "activation")
        arrays |= {name: np.array(getattr(layer, name)) for name in names}
        arrays |= {"at": np.array(steps.at)} if steps else {}
    if steps and steps.values != SIGN.values:
        arrays["values"] = np.array(steps.values)
    if layer.convolves:
        arrays |= {"window": window.numbers, "pool": np.array(window.pool)}
    if layer.falling.any():
        arrays["falling"] = layer.falling
    return arrays
