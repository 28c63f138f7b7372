"""The formats of ONNX: plain, and packed for ONNX Runtime.

Shapes: inputs (n, *shape); in the packed one maps (n, h, w, c) and kernels (k, m).
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from brnn.exchange.exported import Exported
from brnn.exchange.limits import check_no_states, check_unit_levels, check_whole
from brnn.exchange.net import Layer, Net, halfway
from brnn.exchange.nodes import (
    INPUT,
    OUTPUT,
    add_choices,
    add_layers,
    add_real,
    kernel_of,
    to_pixels,
)

if TYPE_CHECKING:
    from brnn.exchange.graph import Graph

PACKAGES = ("onnx", "onnxruntime")
EXTRA = "onnx"
MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators
BLOCK = 128  # codes with one scale; smaller blocks are not exact at level 4 on every processor
BITS = 2
ZERO_CODE = 2  # of a weight of 0: 1, 2 and 3 are -1, 0 and +1
INT8_LEVEL = 4  # inputs become int8, which -1, 0 and +1 are exactly
FLOAT, UINT8 = 1, 2  # types of ONNX


def onnx(net: Net) -> Exported:
    """Write an ONNX file of standard operators with float32 weights of -1, 0 and +1.

    It takes pixels in [0, 1], or what the net takes. A sign is GreaterOrEqual and Where, by a
    threshold halfway between two sums, so that no runtime's rounding moves it, and 0 gives +1.
    """
    check_no_states(net, "onnx")
    graph = _new_graph({})
    return _finished(graph, net, add_layers(graph, net, _kernel, add_choices), "float32")


def _kernel(graph: "Graph", layer: Layer, kernel: np.ndarray) -> str:
    return graph.constant(f"{layer.name}/kernel", kernel_of(layer, kernel))


def onnx_packed(net: Net) -> Exported:
    """Write an ONNX file of bytes and 2-bit codes for ONNX Runtime, 4 to 16 times smaller.

    It takes bytes. The first layer is MatMulInteger, the others are ONNX Runtime's MatMulNBits with
    blocks of 128 codes at accuracy level 4, which is exact for inputs of -1, 0 and +1, and faster
    than float32. A convolution is such a product too: Slice and Concat join its windows to rows.
    """
    check_no_states(net, "onnx_packed")
    check_whole(net, "onnx_packed", "onnx, levels")
    check_unit_levels(net, "onnx_packed", "c, onnx, qonnx, levels")
    graph = _new_graph({MICROSOFT: 1})
    x = INPUT
    if net.steps is not None:
        x = graph.node("Cast", "real", x, to=FLOAT)
        lowest = min(net.steps.values)
        shifted = tuple(value - lowest for value in net.steps.values)  # by the zero point
        cuts = np.array(net.steps.at, "float32")
        levels = add_choices(graph, "real_levels", x, cuts, shifted)
        x = graph.node("Cast", "levels", levels, to=UINT8)
    sizes = graph.constant("map/shape", np.array([0, *net.maps[0]], "int64"))
    x = graph.node("Reshape", "map", x, sizes)
    for number, layer in enumerate(net.layers):
        x = _packed_layer(graph, net, number, layer, x)
    return _finished(graph, net, x, "uint8" if net.of_bytes else "float32")


def _packed_layer(graph: "Graph", net: Net, number: int, layer: Layer, x: str) -> str:
    pools_sums = layer.window.pools_sums
    kernel = layer.kernel if pools_sums else layer.rising
    lowest = 0 if number or net.steps is None else min(net.steps.values)
    x = _windows(graph, layer, x, "float32" if number else "uint8", lowest)
    kernel = kernel.reshape(-1, layer.units)
    if number:
        x = _packed_product(graph, layer, x, kernel)
    else:
        x = _byte_product(graph, layer, x, kernel, -lowest)
    if pools_sums:
        x = _pooled(graph, layer, x)
        if (layer.sign < 0).any():
            sign = layer.sign.astype("float32" if number else "int32")
            x = graph.node(
                "Mul", f"{layer.name}/rising", x, graph.constant(f"{layer.name}/sign", sign)
            )
    if layer.threshold is None:
        x = x if number else graph.node("Cast", f"{layer.name}/sums", x, to=FLOAT)
        return add_real(graph, layer, x, 1.0)
    whole = layer.threshold.astype("int32")  # of the type of the first layer's sums
    cuts = halfway(layer).astype("float32") if number else whole
    x = add_choices(graph, layer.name, x, cuts, layer.values)
    return x if pools_sums or layer.window.pool == 1 else _pooled(graph, layer, x)


def _windows(graph: "Graph", layer: Layer, x: str, dtype: str, lowest: int) -> str:
    """Add the rows of the product: windows of a map, or all of it."""
    if not layer.convolves:
        return graph.node("Flatten", f"{layer.name}/flat", x, axis=1)
    window, (rows, columns) = layer.window, layer.kernel.shape[:2]
    if window.padded:
        (top, bottom), (left, right) = window.pads
        around = np.array([0, top, left, 0, 0, bottom, right, 0], "int64")
        value = np.array(window.pad_value - lowest, dtype)
        constants = [
            graph.constant(f"{layer.name}/{key}", values)
            for key, values in (("pads", around), ("pad", value))
        ]
        x = graph.node("Pad", f"{layer.name}/padded", x, *constants)
    parts = _slices(graph, f"{layer.name}/at", x, (rows, columns), window.strides)
    return graph.node("Concat", f"{layer.name}/windows", *parts, axis=3)


def _slices(
    graph: "Graph", name: str, x: str, kernel: tuple[int, int], strides: tuple[int, int]
) -> list[str]:
    """Add the parts of a map (n, h, w, c) that each element of a window meets."""
    axes, steps = (
        graph.constant(f"{name}_{key}", np.array(values, "int64"))
        for key, values in (("axes", (1, 2)), ("steps", strides))
    )
    parts = []
    for row, column in np.ndindex(*kernel):
        start = np.array([row, column], "int64")
        end = start - kernel + 1
        far = np.where(end == 0, np.iinfo("int64").max, end)
        ends = [
            graph.constant(f"{name}_{row}_{column}/{key}", values)
            for key, values in (("from", start), ("to", far))
        ]
        parts.append(graph.node("Slice", f"{name}_{row}_{column}", x, *ends, axes, steps))
    return parts


def _pooled(graph: "Graph", layer: Layer, x: str) -> str:
    size = layer.window.pool
    parts = _slices(graph, f"{layer.name}/pool", x, (size, size), (size, size))
    return graph.node("Max", f"{layer.name}/pooled", *parts)


def _new_graph(domains: dict[str, int]) -> "Graph":
    from brnn.exchange.graph import Graph

    return Graph(domains)


def _finished(graph: "Graph", net: Net, x: str, dtype: str) -> Exported:
    from brnn.exchange.graph import runtimes, seconds

    graph.node("Identity", OUTPUT, x)
    content = graph.serialized(dtype, net.shape, net.classes, "n")

    prepared = to_pixels if dtype == "float32" else lambda x: x
    timed = partial(seconds, content, prepared)
    return Exported(".onnx", content, runtimes(content, prepared), timed)


def _byte_product(graph: "Graph", layer: Layer, x: str, kernel: np.ndarray, zero: int) -> str:
    """Add the product of bytes, in which `zero` stands for 0, with codes of 8 bits."""
    names = [graph.constant(f"{layer.name}/kernel", kernel)]
    if zero:
        names.append(graph.constant(f"{layer.name}/zero", np.array(zero, "uint8")))
    return graph.node("MatMulInteger", f"{layer.name}/product", x, *names)


def _packed_product(graph: "Graph", layer: Layer, x: str, kernel: np.ndarray) -> str:
    """Add the product of units of -1, 0 and +1 with 2-bit codes, four in a byte."""
    inputs, units = kernel.shape
    blocks = -(-inputs // BLOCK)
    codes = np.full((units, blocks * BLOCK), ZERO_CODE, "uint8")
    codes[:, :inputs] = kernel.T + ZERO_CODE
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
