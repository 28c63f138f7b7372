"""The formats of ONNX: plain, and packed for ONNX Runtime.

Shapes: inputs (n, *shape), flattened to (n, k); kernels (k, m).
"""

from typing import TYPE_CHECKING

import numpy as np

from brnn.exchange.net import Exported, Layer, Net, check_whole, halfway
from brnn.exchange.nodes import add_bits, add_choice, add_real, to_pixels

if TYPE_CHECKING:
    from brnn.exchange.graph import Graph

PACKAGES = ("onnx", "onnxruntime")
EXTRA = "onnx"
MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators
BLOCK = 128  # codes with one scale; blocks of 32 are not exact at level 4
BITS = 2
ZERO_CODE = 2  # of a weight of 0: 1, 2 and 3 are -1, 0 and +1
INT8_LEVEL = 4  # inputs become int8, which -1 and +1 are exactly
FLOAT, UINT8 = 1, 2  # types of ONNX


def onnx(net: Net) -> Exported:
    """Write an ONNX file of standard operators with float32 weights of -1, 0 and +1.

    It takes pixels in [0, 1], or what the net takes. A sign is GreaterOrEqual and Where, by a
    threshold halfway between two sums, so that no runtime's rounding moves it, and 0 gives +1.
    """
    graph = _new_graph({})
    x = graph.node("Flatten", "flat", "input", axis=1)
    x = add_bits(graph, net, x)
    for number, layer in enumerate(net.layers):
        unit = 255.0 if net.inputs == "pixels" and number == 0 else 1.0  # thresholds count bytes
        if layer.threshold is None:
            kernel = (layer.kernel * np.float64(layer.scale * unit)).astype("float32")
            x = add_real(graph, layer, _product(graph, layer, x, kernel))
        else:
            x = _product(graph, layer, x, layer.kernel.astype("float32"))
            cut = (halfway(layer, signs=number > 0) / unit).astype("float32")
            x = add_choice(graph, f"{layer.name}/sign", x, cut, 1, -1)
    return _finished(graph, net, x, "float32")


def onnx_packed(net: Net) -> Exported:
    """Write an ONNX file of bytes and 2-bit codes for ONNX Runtime, an eighth to a fourteenth.

    It takes bytes. The first layer is MatMulInteger, the others are ONNX Runtime's MatMulNBits with
    blocks of 128 codes at accuracy level 4, which is exact for inputs of -1 and +1, and faster than
    float32.
    """
    check_whole(net, "onnx_packed", "onnx, levels")
    graph = _new_graph({MICROSOFT: 1})
    x = graph.node("Flatten", "flat", "input", axis=1)
    if net.inputs == "bits":
        x = graph.node("Cast", "real", x, to=FLOAT)
        x = add_choice(graph, "real_bits", x, np.array(net.cut, "float32"), 1, 0)
        x = graph.node("Cast", "bits", x, to=UINT8)
    for number, layer in enumerate(net.layers):
        if number:
            x = _packed_product(graph, layer, x)
        else:
            kernel = graph.constant(f"{layer.name}/kernel", layer.kernel)
            x = graph.node("MatMulInteger", f"{layer.name}/product", x, kernel)
        if layer.threshold is None:
            x = x if number else graph.node("Cast", f"{layer.name}/sums", x, to=FLOAT)
            scale = graph.constant(f"{layer.name}/scale", np.array(layer.scale, "float32"))
            x = add_real(graph, layer, graph.node("Mul", f"{layer.name}/scaled", x, scale))
        else:
            whole = layer.threshold.astype("int32")  # of the type of the first layer's sums
            cut = halfway(layer, signs=True).astype("float32") if number else whole
            x = add_choice(graph, f"{layer.name}/sign", x, cut, 1, -1)
    return _finished(graph, net, x, "uint8")


def _new_graph(domains: dict[str, int]) -> "Graph":
    from brnn.exchange.graph import Graph

    return Graph(domains)


def _finished(graph: "Graph", net: Net, x: str, dtype: str) -> Exported:
    from brnn.exchange.graph import OUTPUT, runtimes

    graph.node("Identity", OUTPUT, x)
    content = graph.serialized(dtype, net.shape, net.layers[-1].kernel.shape[1], "n")

    prepared = to_pixels if dtype == "float32" else lambda x: x
    return Exported(".onnx", content, runtimes(content, prepared))


def _product(graph: "Graph", layer: Layer, x: str, kernel: np.ndarray) -> str:
    kernel_name = graph.constant(f"{layer.name}/kernel", kernel)
    return graph.node("MatMul", f"{layer.name}/product", x, kernel_name)


def _packed_product(graph: "Graph", layer: Layer, x: str) -> str:
    """Add the product of units of -1 and +1 with 2-bit codes, four in a byte, the first lowest."""
    inputs, units = layer.kernel.shape
    blocks = -(-inputs // BLOCK)
    codes = np.full((units, blocks * BLOCK), ZERO_CODE, "uint8")
    codes[:, :inputs] = layer.kernel.T + ZERO_CODE
    packed = (
        codes.reshape(units, blocks, -1, 8 // BITS) << np.arange(0, 8, BITS, dtype="uint8")
    ).sum(axis=-1, dtype="uint8")
    scales = np.ones((units, blocks), "float32")
    return graph.node(
        "MatMulNBits",
        f"{layer.name}/product",
        x,
        graph.constant(f"{layer.name}/codes", packed),
        graph.constant(f"{layer.name}/scales", scales),
        domain=MICROSOFT,
        K=inputs,
        N=units,
        bits=BITS,
        block_size=BLOCK,
        accuracy_level=INT8_LEVEL,
    )
