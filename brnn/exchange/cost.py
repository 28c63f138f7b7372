"""The multiply-accumulates of a net, as its C file executes them."""

import math

from brnn.exchange.net import BYTE, Net

REAL_STEPS = 2  # of a sum without a threshold: scale and bias, then multiplier and shift


def products(net: Net) -> dict[str, float]:
    """Return the number of multiply-accumulates for one input, as the format `c` executes them.

    What that format does not hold counts as the format `levels` computes it.

    Metrics:
        cost/binary_products (count): multiply-accumulates of a weight of two levels and a bit: a
            byte has eight bits, other inputs have one for each of their levels but the lowest
        cost/ternary_products (count): the same with a weight of three levels
        cost/real_products (count): multiply-accumulates of real numbers: those with real weights or
            inputs, and for each sum without a threshold its scale and its normalization
    """
    counts = {"binary": 0, "ternary": 0, "real": 0}
    bits = BYTE if net.inputs == "pixels" else len(net.steps.at) if net.steps else 0
    for layer, shape in zip(net.layers, net.maps[1:], strict=True):
        positions = math.prod(shape[:-1]) * layer.window.pool**2
        kind = "real" if not layer.reach else "ternary" if layer.ternary else "binary"
        counts[kind] += positions * layer.kernel.size * (bits if layer.reach else 1)
        if layer.threshold is None:
            counts["real"] += REAL_STEPS * positions * layer.units
        bits = len(layer.steps.at) if layer.steps else 0
    return {f"cost/{kind}_products": float(count) for kind, count in counts.items()}
