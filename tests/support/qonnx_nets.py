"""Nets of QONNX in the form of the net TFC of the model zoo.

Shapes: images (n, 1, h, w); kernels (units, inputs), which are transposed after their quantizer.
"""

from itertools import pairwise

import numpy as np
from onnx import ModelProto, helper, numpy_helper

from brnn.exchange.graph import INPUT, OUTPUT

DOMAIN = "onnx.brevitas"
SIDE, WIDTHS = 28, (784, 33, 64, 10)  # of an image; pixels, then units of the layers
QUANT = {"narrow": 1, "signed": 1, "rounding_mode": "ROUND"}


class Chain:
    """A graph of nodes one after the other: `x` is the name of the last output."""

    def __init__(self):
        self.nodes, self.constants, self.x = [], [], INPUT

    def constant(self, value, kind="float32") -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def node(self, operator: str, *inputs: str, **attributes) -> str:
        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def then(self, operator: str, *values, **attributes) -> None:
        constants = map(self.constant, values)
        self.x = self.node(operator, self.x, *constants, **attributes)

    def quantized(self, x: str, bits: int, scale, **keys) -> str:
        if bits == 1:
            return self.node("BipolarQuant", x, self.constant(scale), domain=DOMAIN)
        values = map(self.constant, (scale, keys.pop("zero", 0), bits))
        return self.node("Quant", x, *values, domain=DOMAIN, **QUANT | keys)

    def model(self, inputs: tuple[int, ...], classes: int) -> ModelProto:
        self.nodes[-1].output[0] = OUTPUT
        ends = ((INPUT, (1, *inputs)), (OUTPUT, (1, classes)))
        values = [[helper.make_tensor_value_info(name, 1, shape)] for name, shape in ends]
        graph = helper.make_graph(self.nodes, "tfc", *values, self.constants)
        opsets = [helper.make_opsetid("", 9), helper.make_opsetid(DOMAIN, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=6)


def tfc(
    rng: np.random.Generator,
    weight_bits: int = 2,
    activation_bits: int = 2,
    weight_keys: dict | None = None,
    activation_keys: dict | None = None,
    weight_scale: float = 0.37,
    by_channel: bool = False,
    normalization: str = "BatchNormalization",
) -> ModelProto:
    """Return a net of random weights.

    Args:
        rng: draws them.
        weight_bits: 1 for BipolarQuant, else those of Quant.
        activation_bits: the same.
        weight_keys: attributes of Quant, and its `zero`.
        activation_keys: the same, and its `scale`.
        weight_scale: of the levels of weights.
        by_channel: whether each unit has a scale of its own.
        normalization: `BatchNormalization`, `unfolded`, or `none`.
    """
    chain, activation_keys = Chain(), {"scale": 1.0} | (activation_keys or {})
    shape = chain.node("Shape", INPUT)
    rows = chain.node("Gather", shape, chain.constant(0, "int64"), axis=0)
    ends = chain.node("Unsqueeze", rows, axes=[0]), chain.constant([-1], "int64")
    chain.x = chain.node("Reshape", INPUT, chain.node("Concat", *ends, axis=0))
    chain.then("Mul", 2.0)
    chain.then("Sub", [1.0])
    for inputs, units in pairwise(WIDTHS):
        chain.x = chain.quantized(chain.x, activation_bits, **activation_keys)
        kernel = chain.constant(rng.normal(0, weight_scale, (units, inputs)))
        scale = weight_scale * rng.uniform(1, 2, (units, 1)) if by_channel else weight_scale
        levels = chain.quantized(kernel, weight_bits, scale, **weight_keys or {})
        kernel = chain.node("Transpose", levels, perm=[1, 0])
        chain.x = chain.node("MatMul", chain.x, kernel)
        if units != WIDTHS[-1] and normalization != "none":
            _normalize(chain, rng, units, weight_scale * np.sqrt(inputs) / 2, normalization)
    chain.then("Sub", [0.8])
    deviation = chain.node("Pow", chain.constant([336.3]), chain.constant(0.5))
    chain.x = chain.node("Div", chain.x, deviation)
    chain.then("Mul", [0.76])
    chain.then("Add", [-1.16])
    return chain.model((1, SIDE, SIDE), WIDTHS[-1])


def _normalize(chain: Chain, rng, units: int, deviation: float, form: str) -> None:
    gamma = rng.choice([-1, 0.5, 1, 2], units)
    beta, mean = rng.normal(0, 0.5, units), rng.normal(0, deviation, units)
    variance = deviation**2 * rng.uniform(0.5, 2, units)
    if form == "BatchNormalization":
        chain.then(form, gamma, beta, mean, variance, epsilon=1e-5, momentum=0.9)
        return
    chain.then("Sub", mean)
    shifted = chain.node("Add", chain.constant(variance), chain.constant(1e-5))
    chain.x = chain.node("Div", chain.x, chain.node("Sqrt", shifted))
    chain.then("Mul", gamma)
    chain.then("Add", beta)
