"""Nets from the file of a Keras model.

Shapes: inputs (n, *task.shape), reshaped to those of the model; logits (n, classes). The file
states layers alone: weights are new, and what is discretized is decided as for every topology.
"""

import math
from typing import Any

from keras import Input, Model, activations, layers, models, tree

from brnn.config.maps import check_inputs
from brnn.contracts import Activate, Array
from brnn.errors import ConfigError
from brnn.nets.inputs import normalized
from brnn.nets.task import Task

PRODUCTS = (
    layers.Dense,
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
)
UNSUPPORTED = (  # kernels of other names, or of another order of axes
    layers.SeparableConv1D,
    layers.SeparableConv2D,
    layers.Conv1DTranspose,
    layers.Conv2DTranspose,
    layers.Conv3DTranspose,
)
PROBABILITIES = ("softmax", "sigmoid", "log_softmax")


def keras(
    task: Task, activate: Activate, *, path: str | None, net: str | None, real: list[str]
) -> Model:
    """Return the net of a Keras model, whose activations are those of the precision.

    Each activation of the model, a layer `Activation` or `ReLU` or the argument of a dense layer or
    a convolution, becomes a hidden activation; other layers stay as they are. An activation of the
    output that makes probabilities is left out, since losses take logits.

    Args:
        task: the shape of one input and the number of classes.
        activate: returns the hidden activations.
        path: the file, .keras or .json; for messages.
        net: its architecture as JSON.
        real: names of layers that stay real-valued.

    Raises:
        ConfigError: the model cannot be loaded, has several inputs or outputs, a model inside or a
            separable or transposed convolution, does not fit the shapes of the data, or lacks a
            layer of `real`.
    """
    file = f"topology.path={path}"
    source = _loaded(net, file)
    check_inputs(path, source.inputs[0].shape[1:], task.shape)
    _check(source, task, real, file)
    inputs = Input(task.shape)
    call = _Calls(source, inputs, _as_read(task, inputs, source), activate, real)
    return models.clone_model(
        source,
        input_tensors=inputs,
        clone_function=lambda layer: _cloned(layer, real),
        call_function=call,
    )


def _loaded(net: str | None, file: str) -> Model:
    try:
        source = models.model_from_json(net)
        counts = len(source.inputs), len(source.outputs)
    except Exception as error:  # Keras raises errors of any class
        reason = " ".join(str(error).split())
        raise ConfigError(f"{file} is not a net that Keras can load ({reason})") from error
    if counts != (1, 1):
        raise ConfigError(
            f"{file} must be a net of one input and one output, got {counts[0]} and {counts[1]}"
        )
    return Model(source.inputs[0], source.outputs[0])  # functional, also of a sequential one


def _check(source: Model, task: Task, real: list[str], file: str) -> None:
    names = [layer.name for layer in source.layers]
    if inner := [layer.name for layer in source.layers if isinstance(layer, Model)]:
        raise ConfigError(f"{file} must be a net of layers alone, but its {inner[0]} is a model")
    kept = [x for x in source.layers if isinstance(x, UNSUPPORTED) and x.name not in real]
    if kept:
        raise ConfigError(
            f"{file}: the {type(kept[0]).__name__} {kept[0].name} cannot be discretized; name it in"
            " topology.real, or build it of DepthwiseConv2D and Conv2D"
        )
    if missing := [name for name in real if name not in names]:
        raise ConfigError(
            f"topology.real must name layers of the net ({', '.join(names)}), got {missing[0]}"
        )
    outputs = source.outputs[0].shape[1:]
    if outputs != (task.classes,):
        raise ConfigError(
            f"{file} has outputs of {outputs}, and the data have {task.classes} classes"
        )


def _as_read(task: Task, inputs: Array, source: Model) -> Array:
    """Return the inputs normalized, and of the shape that the model reads."""
    x, shape = normalized(task, inputs), source.inputs[0].shape[1:]
    return x if len(shape) == len(task.shape) else layers.Reshape(shape)(x)


def _cloned(layer: Any, real: list[str]) -> Any:
    """Return a new layer without its activation, which follows it."""
    config = layer.get_config() | {"name": _name(layer, real)}
    if isinstance(layer, PRODUCTS):
        config["activation"] = "linear"
    return type(layer).from_config(config)


def _name(layer: Any, real: list[str]) -> str:
    return f"real_{layer.name}" if layer.name in real else layer.name


class _Calls:
    """The calls of the layers of a copy, with the activations of the precision.

    Args:
        source: the model that is copied.
        inputs: those of the copy.
        read: the inputs as the copy reads them, normalized and reshaped.
        activate: returns the hidden activations.
        real: names of layers that stay real-valued.
    """

    def __init__(
        self, source: Model, inputs: Array, read: Array, activate: Activate, real: list[str]
    ):
        self.inputs = inputs
        self.read = read
        self.activate = activate
        output = source.output_names[0]
        self.activations = {
            _name(layer, real): _activation(layer, layer.name == output) for layer in source.layers
        }
        self.fan_ins: dict[int, int] = {}  # by the id of a tensor

    def __call__(self, layer: Any, *args: Any, **kwargs: Any) -> Array:
        """Return the output of a layer and its activation."""
        args = tree.map_structure(lambda x: self.read if x is self.inputs else x, args)
        activation = self.activations.get(layer.name)  # operations of Keras have none
        fan_in = max((self.fan_ins.get(id(x), 1) for x in tree.flatten(args)), default=1)
        x = args[0]
        if activation is None or isinstance(layer, PRODUCTS):
            x = layer(*args, **kwargs)
        if isinstance(layer, PRODUCTS):
            fan_in = _fan_in(layer)
        if activation:
            x = self.activate(activation, fan_in)(x)
        self.fan_ins[id(x)] = fan_in
        return x


def _activation(layer: Any, is_output: bool) -> str | None:
    """Return the name of the activation that a layer is or has.

    The name is empty for probabilities at the output, which are left out, and None where the layer
    stays as it is: it has no activation, or it is a softmax inside the net.
    """
    name: Any = None
    if isinstance(layer, layers.Softmax):
        name = "softmax"
    elif isinstance(layer, layers.ReLU):
        plain = layers.ReLU(name=layer.name, dtype=layer.dtype_policy)
        name = "relu" if layer.get_config() == plain.get_config() else None
    elif isinstance(layer, (*PRODUCTS, layers.Activation)):
        name = activations.serialize(layer.activation)
    if is_output and name in PROBABILITIES:
        return ""
    return name if isinstance(name, str) and name not in ("linear", "softmax") else None


def _fan_in(layer: Any) -> int:
    """Return the number of products in each sum of a layer."""
    is_depthwise = isinstance(layer, layers.DepthwiseConv1D | layers.DepthwiseConv2D)
    return math.prod(layer.kernel.shape[: -2 if is_depthwise else -1])
