"""The format of QONNX: an ONNX file whose quantizers are nodes, for tools such as FINN."""

from typing import TYPE_CHECKING

import numpy as np

from brnn.exchange.net import Exported, Layer, Net, check_whole, halfway
from brnn.exchange.nodes import add_bits, add_real, to_pixels

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
    from brnn.exchange.qonnx_runtime import run

    check_whole(net, "qonnx", "levels, onnx")
    graph = Graph({DOMAIN: 1})
    x = graph.node("Flatten", "flat", "input", axis=1)
    x = add_bits(graph, net, x)
    for number, layer in enumerate(net.layers):
        x = graph.node("MatMul", f"{layer.name}/product", x, _codes(graph, layer))
        unit = 255.0 if net.inputs == "pixels" and number == 0 else 1.0  # thresholds count bytes
        if layer.threshold is None:
            scale = graph.constant(f"{layer.name}/scale", np.array(layer.scale * unit, "float32"))
            x = add_real(graph, layer, graph.node("Mul", f"{layer.name}/scaled", x, scale))
        else:
            cut = (halfway(layer, signs=number > 0) / unit).astype("float32")
            x = graph.node(
                "Sub", f"{layer.name}/above", x, graph.constant(f"{layer.name}/cut", cut)
            )
            x = _bipolar(graph, f"{layer.name}/sign", x)
    graph.node("Identity", "logits", x)
    content = graph.serialized("float32", net.shape, net.layers[-1].kernel.shape[1], ROWS)
    return Exported(".onnx", content, {"qonnx": lambda x: run(content, to_pixels(x))})


def _codes(graph: "Graph", layer: Layer) -> str:
    """Add the codes of a layer as constants and the quantizer whose levels they are."""
    name = f"{layer.name}/codes"
    kernel = graph.constant(f"{layer.name}/kernel", layer.kernel.astype("float32"))
    if not layer.ternary:
        return _bipolar(graph, name, kernel)
    values = {"scale": 1, "zero": 0, "bits": 2}
    constants = [
        graph.constant(f"{name}/{key}", np.array(value, "float32")) for key, value in values.items()
    ]
    keys = {"signed": 1, "narrow": 1, "rounding_mode": "ROUND"}
    return graph.node("Quant", name, kernel, *constants, domain=DOMAIN, **keys)


def _bipolar(graph: "Graph", name: str, x: str) -> str:
    scale = graph.constant(f"{name}/scale", np.array(1, "float32"))
    return graph.node("BipolarQuant", name, x, scale, domain=DOMAIN)
