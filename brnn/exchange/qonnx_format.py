"""The format of QONNX: an ONNX file whose quantizers are nodes, for tools such as FINN."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from brnn.exchange.exported import Exported
from brnn.exchange.limits import check_no_states, check_whole
from brnn.exchange.net import Layer, Net
from brnn.exchange.nodes import OUTPUT, add_layers, kernel_of

if TYPE_CHECKING:
    from brnn.exchange.graph import Graph

PACKAGES = ("onnx", "onnxruntime", "qonnx")
EXTRA = "qonnx"
DOMAIN = "qonnx.custom_op.general"
ROWS = 1  # of the input: QONNX has fixed shapes


def qonnx(net: Net) -> Exported:
    """Write a QONNX file: BipolarQuant of weights and signs, Quant of 2 bits of ternary weights.

    It takes one input, of pixels in [0, 1] or as the net takes it.

    References:
        Pappalardo et al. 2022, arXiv:2206.07527.
    """
    from brnn.exchange.graph import Graph
    from brnn.exchange.qonnx_runtime import run, seconds

    check_no_states(net, "qonnx")
    check_whole(net, "qonnx", "levels, onnx")
    graph = Graph({DOMAIN: 1})
    graph.node("Identity", OUTPUT, add_layers(graph, net, _codes, _add_steps))
    content = graph.serialized("float32", net.shape, net.classes, ROWS)
    return Exported(".onnx", content, {"qonnx": partial(run, content)}, partial(seconds, content))


def _codes(graph: "Graph", layer: Layer, kernel: np.ndarray) -> str:
    """Add the codes of a layer as constants and the quantizer whose levels they are."""
    name = f"{layer.name}/codes"
    constant = graph.constant(f"{layer.name}/kernel", kernel_of(layer, kernel))
    if not layer.ternary:
        return _bipolar(graph, name, constant, 1.0)
    values = {"scale": 1, "zero": 0, "bits": 2}
    constants = [
        graph.constant(f"{name}/{key}", np.array(value, "float32")) for key, value in values.items()
    ]
    keys = {"signed": 1, "narrow": 1, "rounding_mode": "ROUND"}
    return graph.node("Quant", name, constant, *constants, domain=DOMAIN, **keys)


def _add_steps(graph: "Graph", name: str, x: str, cuts: np.ndarray, values: tuple[int, ...]) -> str:
    """Add a BipolarQuant for each value but the first, whose sum is the value."""
    half = (values[1] - values[0]) / 2
    total = ""
    for number, cut in enumerate(cuts, 1):
        limit = graph.constant(f"{name}/cut_{number}", cut)
        above = graph.node("Sub", f"{name}/above_{number}", x, limit)
        step = _bipolar(graph, f"{name}/step_{number}", above, half)
        total = graph.node("Add", f"{name}/total_{number}", total, step) if total else step
    middle = (values[0] + values[-1]) / 2
    if middle == 0:
        return total
    constant = graph.constant(f"{name}/middle", np.array(middle, "float32"))
    return graph.node("Add", f"{name}/levels", total, constant)


def _bipolar(graph: "Graph", name: str, x: str, level: float) -> str:
    scale = graph.constant(f"{name}/scale", np.array(level, "float32"))
    return graph.node("BipolarQuant", name, x, scale, domain=DOMAIN)
