"""The layers of a net as nodes of ONNX: those that several formats share.

Shapes: maps (n, c, h, w), units (n, m); constants of units (m, 1, 1) beside maps.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from brnn.exchange.net import LARGEST_BYTE, Layer, Net, halfway

if TYPE_CHECKING:
    from brnn.exchange.graph import Graph

INPUT, OUTPUT = "input", "logits"  # names in every graph
OPERATORS = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu"}
TO_CHANNELS_FIRST, TO_CHANNELS_LAST = [0, 3, 1, 2], [0, 2, 3, 1]

AddKernel = Callable[["Graph", Layer, np.ndarray], str]
"""`add_kernel(graph, layer, kernel)`: adds a kernel in the way of the format, returns its name."""
AddSteps = Callable[["Graph", str, str, np.ndarray, tuple[int, ...]], str]
"""`add_steps(graph, name, x, cuts, values)`: adds a step function and returns its output.

`cuts` (j, …) are the numbers from which x has each of the values but the first.
"""


def to_pixels(x: np.ndarray) -> np.ndarray:
    """Return bytes as pixels in [0, 1], as the net is given them; other inputs unchanged."""
    return x.astype("float32") * np.float32(1 / LARGEST_BYTE) if x.dtype == np.uint8 else x


def add_layers(graph: "Graph", net: Net, add_kernel: AddKernel, add_steps: AddSteps) -> str:
    """Add all nodes of a net, from pixels in [0, 1], or what the net takes, to its logits.

    Args:
        graph: that is being written.
        net: the net.
        add_kernel: how the format holds kernels.
        add_steps: how the format holds signs and other levels.

    Returns:
        The name of the logits.
    """
    x = INPUT
    if net.steps is not None:
        cuts = np.array(net.pixel_cuts, "float32")
        x = add_steps(graph, "levels", x, cuts, net.steps.values)
    if net.layers[0].convolves:
        sizes = graph.constant("image/shape", np.array([0, *net.maps[0]], "int64"))
        x = graph.node("Reshape", "image", x, sizes)
        x = graph.node("Transpose", "map", x, perm=TO_CHANNELS_FIRST)
    else:
        x = graph.node("Flatten", "flat", x, axis=1)
    previous = net.layers[0]
    for number, layer in enumerate(net.layers):
        if previous.convolves and not layer.convolves:
            x = graph.node("Transpose", "last_map", x, perm=TO_CHANNELS_LAST)
            x = graph.node("Flatten", "flat", x, axis=1)
        unit = float(LARGEST_BYTE) if net.inputs == "pixels" and number == 0 else 1.0
        x = _add_layer(graph, layer, x, unit, add_kernel, add_steps)
        previous = layer
    return x


def _add_layer(
    graph: "Graph", layer: Layer, x: str, unit: float, add_kernel: AddKernel, add_steps: AddSteps
) -> str:
    """Add a layer whose sums and pads count `unit` times as much as its inputs."""
    pools_sums = layer.window.pools_sums
    kernel = layer.kernel if pools_sums else layer.rising
    x = _add_sums(graph, layer, x, unit, add_kernel(graph, layer, kernel))
    if pools_sums:
        x = _add_pooling(graph, layer, x)
        if (layer.sign < 0).any():
            sign = graph.constant(f"{layer.name}/sign", of_units(layer, layer.sign))
            x = graph.node("Mul", f"{layer.name}/rising", x, sign)
    if layer.threshold is None:
        x = add_real(graph, layer, x, unit)
        if layer.steps is not None:
            x = add_steps(
                graph, layer.name, x, np.array(layer.steps.at, "float32"), layer.steps.values
            )
    else:
        cuts = of_units(layer, halfway(layer) / unit)
        x = add_steps(graph, layer.name, x, cuts, layer.values)
    if layer.window.pool > 1 and not pools_sums:
        x = _add_pooling(graph, layer, x)
    return x


def _add_sums(graph: "Graph", layer: Layer, x: str, unit: float, kernel: str) -> str:
    name = f"{layer.name}/product"
    if not layer.convolves:
        return graph.node("MatMul", name, x, kernel)
    (top, bottom), (left, right) = layer.window.pads
    pads = [top, left, bottom, right]
    if layer.window.padded and layer.window.pad_value:
        around = graph.constant(
            f"{layer.name}/pads", np.array([0, 0, top, left, 0, 0, bottom, right], "int64")
        )
        value = np.array(layer.window.pad_value / unit, "float32")
        x = graph.node(
            "Pad", f"{layer.name}/padded", x, around, graph.constant(f"{layer.name}/pad", value)
        )
        pads = [0, 0, 0, 0]
    return graph.node("Conv", name, x, kernel, pads=pads, strides=list(layer.window.strides))


def _add_pooling(graph: "Graph", layer: Layer, x: str) -> str:
    size = 2 * [layer.window.pool]
    return graph.node("MaxPool", f"{layer.name}/pooled", x, kernel_shape=size, strides=size)


def of_units(layer: Layer, values: np.ndarray) -> np.ndarray:
    """Return values (…, m) as float32 beside the outputs of a layer."""
    return values.astype("float32").reshape(*values.shape, *((1, 1) if layer.convolves else ()))


def kernel_of(layer: Layer, kernel: np.ndarray) -> np.ndarray:
    """Return a kernel as Conv and MatMul take it, in float32."""
    return (kernel.transpose(3, 2, 0, 1) if layer.convolves else kernel).astype("float32")


def add_real(graph: "Graph", layer: Layer, x: str, unit: float) -> str:
    """Add scale, bias, normalization and activation of a layer without thresholds."""
    terms = [("Mul", "scale", layer.scale * unit, 1), ("Add", "bias", layer.bias, 0)]
    terms += [("Mul", "multiplier", layer.multiplier, 1), ("Add", "shift", layer.shift, 0)]
    for operator, key, values, neutral in terms:
        if (values != neutral).any():
            constant = graph.constant(f"{layer.name}/{key}", of_units(layer, values))
            x = graph.node(operator, f"{layer.name}/after_{key}", x, constant)
    if layer.activation in OPERATORS:
        return graph.node(OPERATORS[layer.activation], f"{layer.name}/activation", x)
    return x


def add_choices(
    graph: "Graph", name: str, x: str, cuts: np.ndarray, values: tuple[int, ...]
) -> str:
    """Add GreaterOrEqual and Where for each value but the first."""
    result = graph.constant(f"{name}/level_0", np.array(values[0], "float32"))
    for number, (cut, value) in enumerate(zip(cuts, values[1:], strict=True), 1):
        level = graph.constant(f"{name}/level_{number}", np.array(value, "float32"))
        limit = graph.constant(f"{name}/cut_{number}", cut)
        reached = graph.node("GreaterOrEqual", f"{name}/reached_{number}", x, limit)
        result = graph.node("Where", f"{name}/steps_{number}", reached, level, result)
    return result
