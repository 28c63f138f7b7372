"""Nodes that several formats of ONNX add to a graph, between its input and its logits."""

from typing import TYPE_CHECKING

import numpy as np

from brnn.exchange.net import HALF, SIGN, Layer, Net

if TYPE_CHECKING:
    from brnn.exchange.graph import Graph

OPERATORS = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu"}


def to_pixels(x: np.ndarray) -> np.ndarray:
    """Return bytes as pixels in [0, 1], as the net is given them; other inputs unchanged."""
    return x.astype("float32") * np.float32(1 / 255) if x.dtype == np.uint8 else x


def add_bits(graph: "Graph", net: Net, x: str) -> str:
    """Add the rounding of pixels to 0 and 1, where the net has it."""
    return add_choice(graph, "bits", x, np.array(HALF, "float32"), 1, 0) if net.cut else x


def add_real(graph: "Graph", layer: Layer, x: str) -> str:
    """Add bias, normalization and activation of a layer without a threshold."""
    terms = [("Add", "bias", layer.bias, 0), ("Mul", "multiplier", layer.multiplier, 1)]
    for operator, key, values, neutral in [*terms, ("Add", "shift", layer.shift, 0)]:
        if (values != neutral).any():
            constant = graph.constant(f"{layer.name}/{key}", values)
            x = graph.node(operator, f"{layer.name}/after_{key}", x, constant)
    if layer.activation == SIGN:
        return add_choice(graph, f"{layer.name}/sign", x, np.array(0, "float32"), 1, -1)
    if layer.activation in OPERATORS:
        return graph.node(OPERATORS[layer.activation], f"{layer.name}/activation", x)
    return x


def add_choice(graph: "Graph", name: str, x: str, cut: np.ndarray, above: int, below: int) -> str:
    """Add nodes that give `above` where x is at least `cut`, else `below`."""
    high, low = (
        graph.constant(f"{name}/{key}", np.array(value, "float32"))
        for key, value in (("above", above), ("below", below))
    )
    is_above = graph.node(
        "GreaterOrEqual", f"{name}/is_above", x, graph.constant(f"{name}/cut", cut)
    )
    return graph.node("Where", name, is_above, high, low)
