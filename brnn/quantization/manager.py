"""The quantization manager: discretizes variables of any Keras model, selected by path.

The variables of the model are the latent weights. A call computes with their levels, through
`model.stateless_call`, so that the model needs no special layers. In training the gradient of the
loss is taken at the levels and applied to the latent weights, which are then clipped to their
bounds.
"""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from brnn.contracts import Array, Noise, Quantizer
from brnn.errors import ConfigError
from brnn.quantization.annealing import partly, step_value
from brnn.quantization.layers import QuantActivation
from brnn.quantization.model_layers import (
    check_precision,
    layers_of,
    shapes_of,
    transposed_kernels,
)


@dataclass(frozen=True)
class Rule:
    """Which variables are discretized, and how.

    Attributes:
        role: the last part of the path of a Keras variable, such as `kernel` or `recurrent_kernel`.
        quantizer: latent weights to levels.
        bound: latent weights are kept in [-bound, bound]; None leaves them free.
        layers: regular expression that the path of the layer must match from its start.
        optional: whether the rule may match no variable.
        learned: arguments of the quantizer that are trained, from the values that it binds.
        by: whether a learned argument is one number, or one for each entry of the last axis.
        scaled: whether gradients at latent weights are multiplied by the size of levels but 0.
    """

    role: str
    quantizer: Quantizer
    bound: float | None
    layers: str = ""
    optional: bool = False
    learned: tuple[str, ...] = ()
    by: Literal["tensor", "channel"] = "tensor"
    scaled: bool = False

    def matches(self, variable: keras.Variable) -> bool:
        """Return whether the rule applies to a variable."""
        layer, _, role = variable.path.rpartition("/")
        return role == self.role and re.match(self.layers, layer) is not None


class QuantManager:
    """Calls a model with the levels of its latent weights.

    Args:
        model: a built Keras model whose `call` takes `training`.
        rules: at most one applies to each trainable variable; a variable without one stays real.

    Attributes:
        rules: the rule of each variable of `model.trainable_variables`, None where it stays real.
        layers: paths of the layers with a discretized variable, from the input.
        shapes: of each variable, with its output channels on the last axis: a depthwise kernel
            (height, width, channels, multiplier) has (height, width, 1, channels multiplier).
        learned: the learned arguments of the quantizer of each variable, by name.
        averages: what evaluation takes in place of `trained`; empty: `trained` itself.
        lease: of the variables, where they are lent; kept as long as the manager and its copies.

    Raises:
        ConfigError: the model is not built or its `call` does not take `training`; a layer does not
            compute in float32; a rule that is not optional matches no variable, a rule matches a
            frozen variable, or a transposed convolution by channel, or two rules match the same
            variable.
    """

    def __init__(self, model: keras.Model, rules: Sequence[Rule]):
        if not model.built or "training" not in inspect.signature(model.call).parameters:
            raise ConfigError(
                f"{model.name} must be built (call it on data), and its `call` must take `training`"
            )
        self.model = model
        self.lease: object = None
        self.averages: list[keras.Variable] = []
        self.rules = [_matching_rule(variable, rules) for variable in model.trainable_variables]
        pairs = zip(model.trainable_variables, self.rules, strict=True)
        self.layers = list(dict.fromkeys(_layer_path(v) for v, rule in pairs if rule is not None))
        self.shapes = shapes_of(model)
        self.learned = [
            _learned(variable, rule, shape)
            for variable, rule, shape in zip(
                model.trainable_variables, self.rules, self.shapes, strict=True
            )
        ]
        check_precision(model)
        _check_frozen(model, rules)
        _check_channels(model, self.rules)
        for rule in rules:
            if rule not in self.rules and not rule.optional:
                paths = ", ".join(v.path for v in model.trainable_variables) or "none"
                raise ConfigError(
                    f"no variable is a {rule.role!r} in a layer that matches {rule.layers!r};"
                    f" the model has: {paths}"
                )

    def __call__(self, x: Array) -> Array:
        """Return the outputs of the discretized net for a batch `x`, in evaluation."""
        return self.model.stateless_call(
            self.levels(), self.model.non_trainable_variables, x, training=False
        )[0]

    @property
    def arguments(self) -> list[keras.Variable]:
        """The learned arguments of all quantizers."""
        return [variable for by_name in self.learned for variable in by_name.values()]

    @property
    def trained(self) -> list[keras.Variable]:
        """What training changes: the trainable variables of the model, then `arguments`."""
        return [*self.model.trainable_variables, *self.arguments]

    def levels(
        self, noise: Noise | None = None, latent: Sequence[Array] | None = None
    ) -> list[Array]:
        """Return the values that the net computes with, one for each trainable variable.

        In a step of the training with values `discretized/weights`, one for each of `layers`, only
        a random part of each variable is discretized, and the rest keeps its latent values.

        Args:
            noise: the source of stochastic quantizers; None for their deterministic levels.
            latent: replace the values of `averages` and `trained`.
        """
        variables = self.model.trainable_variables
        values = [ops.copy(value) for value in latent or self.averages or self.trained]
        arguments = iter(values[len(variables) :])
        values = values[: len(variables)]
        levels = [
            value
            if rule is None
            else ops.reshape(
                rule.quantizer(
                    ops.reshape(value, shape), noise, **{name: next(arguments) for name in learned}
                ),
                value.shape,
            )
            for value, rule, shape, learned in zip(
                values, self.rules, self.shapes, self.learned, strict=True
            )
        ]
        shares = step_value("discretized/weights", None)
        if shares is None or noise is None:
            return levels
        return [
            level
            if rule is None
            else partly(level, value, shares[self.layers.index(_layer_path(variable))], noise)
            for variable, value, level, rule in zip(
                variables, values, levels, self.rules, strict=True
            )
        ]

    def at_latent(
        self, gradients: Sequence[Array | None], levels: Sequence[Array]
    ) -> list[Array | None]:
        """Return gradients at the latent weights, from those at their levels."""
        return [
            gradient
            if gradient is None or rule is None or not rule.scaled
            else gradient * ops.where(level == 0, 1.0, ops.abs(level))
            for gradient, level, rule in zip(gradients, levels, self.rules, strict=True)
        ]

    def initial_state(self, batch: int) -> list[Array]:
        """Return the states at the start of a stream: zeros for each input but the first.

        The list is empty where the model carries no state.
        """
        inputs = getattr(self.model, "inputs", [])  # only a functional model has inputs
        return [ops.zeros((batch, *state.shape[1:]), state.dtype) for state in inputs[1:]]

    def clip(self) -> None:
        """Clip the latent weights to their bounds."""
        for variable, rule in zip(self.model.trainable_variables, self.rules, strict=True):
            if rule is not None and rule.bound is not None:
                variable.assign(ops.clip(variable, -rule.bound, rule.bound))

    def discretized(self) -> keras.Model:
        """Return an independent Keras model that computes what the discretized net computes.

        Its weights are the levels, and its quantized activations are ordinary Keras operations, so
        that it can be saved, and loaded where this package is not installed.
        """
        model = self.model
        if isinstance(model, keras.Sequential):  # layers of functional models can be replaced
            model = keras.Model(model.inputs[0], model.outputs[0])
        if hasattr(model, "operations"):
            copy = keras.models.clone_model(
                model, recursive=True, clone_function=_cloned, call_function=_called_without_noise
            )
        else:
            copy = keras.models.clone_model(model)
        copy.set_weights(self.weights())
        for layer in layers_of(copy):
            if hasattr(layer, "finalize_state"):  # computes with values derived from its weights
                layer.finalize_state()
        return copy

    def weights(self) -> list[np.ndarray]:
        """Return the values of `model.weights`, discretized."""
        pairs = zip(self.model.trainable_variables, self.levels(), strict=True)
        levels = {id(variable): level for variable, level in pairs}
        return [np.asarray(levels.get(id(weight), weight)) for weight in self.model.weights]


def _layer_path(variable: keras.Variable) -> str:
    return variable.path.rpartition("/")[0]


def _learned(
    variable: keras.Variable, rule: Rule | None, shape: tuple[int, ...]
) -> dict[str, keras.Variable]:
    """Return new variables of the learned arguments of a variable's quantizer."""
    if rule is None:
        return {}
    shape = shape[-1:] if rule.by == "channel" else ()
    initial = getattr(rule.quantizer, "keywords", {})
    prefix = variable.path.replace("/", "_")
    return {
        name: keras.Variable(np.full(shape, initial[name], "float32"), name=f"{prefix}_{name}")
        for name in rule.learned
    }


def _matching_rule(variable: keras.Variable, rules: Sequence[Rule]) -> Rule | None:
    matching = [rule for rule in rules if rule.matches(variable)]
    if len(matching) > 1:
        raise ConfigError(f"{variable.path} is matched by {len(matching)} rules: {matching}")
    return matching[0] if matching else None


def _check_frozen(model: keras.Model, rules: Sequence[Rule]) -> None:
    """Refuse variables that are not trained and would stay real despite a rule."""
    for variable in model.non_trainable_variables:
        if any(rule.matches(variable) for rule in rules):
            raise ConfigError(
                f"{variable.path} matches a rule, but is not trainable and would stay real: set"
                " trainable=True, or exclude its layer by `Rule(layers=…)`"
            )


def _check_channels(model: keras.Model, rules: Sequence[Rule | None]) -> None:
    """Refuse scales by channel of transposed convolutions, whose last axis is that of inputs."""
    transposed = {id(kernel) for kernel in transposed_kernels(model)}
    for variable, rule in zip(model.trainable_variables, rules, strict=True):
        if rule is None or id(variable) not in transposed:
            continue
        given = getattr(rule.quantizer, "keywords", {}).get("by")
        if "channel" in (given, rule.by if rule.learned else None):
            raise ConfigError(
                f"{variable.path} is the kernel of a transposed convolution, which has no rule by"
                " channel: use by=tensor, or exclude its layer by `Rule(layers=…)`"
            )


def _cloned(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return a copy of a layer; a quantized activation, which is replaced at its call, itself."""
    if isinstance(layer, QuantActivation):
        return layer
    return layer.__class__.from_config(layer.get_config())


def _called_without_noise(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
    """Return the output of a layer; of a quantized activation, its deterministic levels."""
    if isinstance(layer, QuantActivation):
        return layer.quantizer(args[0], None)
    return layer(*args, **kwargs)
