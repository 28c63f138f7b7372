"""Small random nets as models of ONNX."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper


@dataclass
class Graph:
    """Nodes in order, and their constants."""

    output: str = "x"
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, operator: str, *inputs: Any, **attributes: Any) -> str:
        """Append a node; an input is a tensor's name or a constant. Return the output's name."""
        names = []
        for value in inputs:
            if not isinstance(value, str):
                name = f"c{len(self.constants)}"
                self.constants[name] = np.asarray(value)
                value = name
            names.append(value)
        self.output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [self.output], **attributes))
        return self.output

    def then(self, operator: str, *constants: Any, **attributes: Any) -> str:
        """Append a node to the last tensor."""
        return self.add(operator, self.output, *constants, **attributes)

    def model(self, shape: tuple[int, ...], classes: int) -> ModelProto:
        """Return the model of one input (n, *shape) and one output (n, classes)."""
        image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])
        logits = helper.make_tensor_value_info(self.output, TensorProto.FLOAT, ["n", classes])
        constants = [numpy_helper.from_array(v, k) for k, v in self.constants.items()]
        graph = helper.make_graph(self.nodes, "net", [image], [logits], constants)
        opsets = [helper.make_opsetid("", 15)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def signs(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Return random weights of -scale and +scale."""
    return (rng.choice([-1, 1], shape) * scale).astype("float32")


def sign(graph: Graph, form: str) -> None:
    """Append a sign: larq (+1 at 0), plain (0 at 0), where (+1 at 0) or below (-1 at 0)."""
    if form == "plain":
        graph.then("Sign")
    elif form == "larq":
        graph.then("Sign")
        graph.then("Add", np.float32(0.1))
        graph.then("Sign")
    elif form == "where":
        graph.then("GreaterOrEqual", np.float32(0))
        graph.then("Where", np.float32(1), np.float32(-1))
    else:
        graph.then("Greater", np.float32(0))
        graph.then("Cast", to=TensorProto.FLOAT)
        graph.then("Mul", np.float32(2))
        graph.then("Sub", np.float32(1))


def normalization(graph: Graph, rng: np.random.Generator, channels: int) -> None:
    """Append a batch normalization, some of whose gammas are negative or 0."""
    gamma = rng.choice([1.0, 0.5, -1.0, -0.3, 0.0], channels)
    beta, mean = rng.choice([-1, -0.5, 0, 0.5], channels), rng.choice([-2, -0.3, 0, 1], channels)
    variance = rng.choice([1.0, 4.0, 0.3], channels)
    values = (v.astype("float32") for v in (gamma, beta, mean, variance))
    graph.then("BatchNormalization", *values, epsilon=1e-3)


def dense(
    rng: np.random.Generator,
    widths: tuple[int, ...] = (5, 4, 3),
    form: str = "larq",
    scale: float = 1.0,
    normalized: bool = False,
) -> ModelProto:
    """Return a dense net of these widths, the input first."""
    graph = Graph()
    for number, (before, after) in enumerate(pairwise(widths)):
        if number:
            sign(graph, form)
        graph.then("MatMul", signs(rng, before, after, scale=scale))
        if normalized:
            normalization(graph, rng, after)
    return graph.model((widths[0],), widths[-1])


def residual(
    rng: np.random.Generator, width: int = 5, form: str = "larq", normalized: bool = False
) -> ModelProto:
    """Return a dense net with shortcuts around two layers, and from the image to the last sign."""
    graph = Graph()
    graph.then("MatMul", signs(rng, width, width))
    graph.then("Add", rng.choice([-1, 0, 1], width).astype("float32"))
    for _ in range(2):
        stream = graph.output
        sign(graph, form)
        graph.then("MatMul", signs(rng, width, width))
        if normalized:
            normalization(graph, rng, width)
        graph.then("Add", stream)
    stream = graph.then("Add", "x")
    sign(graph, form)
    graph.add("Sub", graph.output, stream)
    graph.then("MatMul", signs(rng, width, 3))
    return graph.model((width,), 3)


def rectified(rng: np.random.Generator, operator: str, width: int = 3) -> ModelProto:
    """Return a dense net of two layers whose rectifiers are PRelu, LeakyRelu or Relu."""
    graph = Graph()
    for number in range(2):
        stream = graph.output
        graph.then("MatMul", rng.normal(size=(width, width)).astype("float32"))
        normalization(graph, rng, width)
        if operator == "PRelu":
            graph.then("PRelu", rng.choice([-0.5, 0, 0.25, 1, 1.5], width).astype("float32"))
        else:
            graph.then(operator, **({"alpha": 0.3} if operator == "LeakyRelu" else {}))
        graph.then("Sub", rng.uniform(0.1, 1.0, width).astype("float32"))
        if number:
            graph.then("Add", stream)
        stream = graph.output
        sign(graph, "where")
        graph.then("MatMul", signs(rng, width, width))
        graph.then("Add", stream)
    graph.then("MatMul", rng.normal(size=(width, 3)).astype("float32"))
    return graph.model((width,), 3)


def convolutional(
    rng: np.random.Generator,
    form: str = "larq",
    scale: float = 1.0,
    normalized: bool = False,
    pool: str | None = None,
    **attributes: Any,
) -> ModelProto:
    """Return a convolution of images (4, 4, 2), channels last, and a dense layer."""
    graph, groups = Graph(), attributes.get("group", 1)
    graph.then("Transpose", perm=[0, 3, 1, 2])
    kernel = signs(rng, 2, 2 // groups, 2, 2, scale=scale)
    graph.then("Conv", kernel, rng.choice([-1, 0, 1], 2).astype("float32"), **attributes)
    if pool:
        graph.then(pool, kernel_shape=[2, 2], strides=[1, 1])
    if normalized:
        normalization(graph, rng, 2)
    graph.then("Transpose", perm=[0, 2, 3, 1])
    sign(graph, form)
    probe = graph.model((4, 4, 2), 3)
    size = _flat_size(probe)
    graph.then("Reshape", np.array([-1, size]))
    graph.then("MatMul", signs(rng, size, 3, scale=scale))
    graph.then("Softmax")
    return graph.model((4, 4, 2), 3)


def run(model: ModelProto, images: np.ndarray) -> np.ndarray:
    """Return the outputs of ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": images.astype("float32")})[0]


def _flat_size(model: ModelProto) -> int:
    model.graph.output[0].type.tensor_type.ClearField("shape")
    return run(model, np.zeros((1, 4, 4, 2))).size
