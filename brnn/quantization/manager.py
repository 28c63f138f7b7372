"""The quantization manager: discretizes the variables of any Keras model, chosen by name.

The model's own variables are the latent weights. The model is called with their levels in their place,
through `model.stateless_call`, so that it needs no special layers; the gradient of the loss is taken at
the levels and applied to the latent weights, which then are clipped to their bound.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from brnn.quantization.layers import QuantActivation


@dataclass(frozen=True)
class Rule:
    """Which variables are discretized, and how.

    A rule applies to the variables of one `role`, the last part of a Keras path (`kernel`,
    `recurrent_kernel`, `bias`), in the layers whose path matches the regular expression `layers` from
    its start. `quantizer(latent, noise)` gives the levels; the latent weights are kept in
    [-bound, bound], or free where it is None. A rule that matches nothing is an error unless `optional`.
    """

    role: str
    quantizer: Callable
    bound: float | None
    layers: str = ""
    optional: bool = False

    def matches(self, variable) -> bool:
        """Whether the rule applies to a Keras variable."""
        layer, _, role = variable.path.rpartition("/")
        return role == self.role and re.match(self.layers, layer) is not None


class QuantManager:
    """Calls `model` with the levels of its latent weights.

    Raises `ValueError` for a rule that matches no variable, two that match the same, and a model that is not
    built or cannot be told whether it trains.
    """

    def __init__(self, model: keras.Model, rules: Sequence[Rule]):
        if not model.built or "training" not in inspect.signature(model.call).parameters:
            raise ValueError(
                f"{model.name} must be built (call it on data), and its `call` take `training`"
            )
        self.model = model
        self.rules = [_the_rule(variable, rules) for variable in model.trainable_variables]
        for rule in rules:
            if rule not in self.rules and not rule.optional:
                found = ", ".join(v.path for v in model.trainable_variables) or "none"
                raise ValueError(
                    f"no variable is a {rule.role!r} in a layer that matches {rule.layers!r}; the model has: {found}"
                )

    def __call__(self, x):
        """The discretized net's outputs for a batch `x`, in evaluation."""
        return self.model.stateless_call(
            self.levels(), self.model.non_trainable_variables, x, training=False
        )[0]

    def levels(self, noise: Callable | None = None, latent: list | None = None) -> list:
        """What the net computes with, in the order of `model.trainable_variables`, whose values `latent` may replace.

        Stochastic quantizers draw from `noise(shape)`, uniform in [0, 1); without it their levels are deterministic.
        """
        latent = map(ops.copy, latent or self.model.trainable_variables)
        return [
            v if rule is None else rule.quantizer(v, noise)
            for v, rule in zip(latent, self.rules, strict=True)
        ]

    def initial_state(self, batch: int) -> list:
        """What a model that carries its state takes behind its first input at the start of a stream: zeros."""
        inputs = getattr(self.model, "inputs", [])  # which a model that is not functional lacks
        return [ops.zeros((batch, *one.shape[1:]), one.dtype) for one in inputs[1:]]

    def clip(self) -> None:
        """Brings the latent weights back into their bounds."""
        for variable, rule in zip(self.model.trainable_variables, self.rules, strict=True):
            if rule is not None and rule.bound is not None:
                variable.assign(ops.clip(variable, -rule.bound, rule.bound))

    def discretized(self) -> keras.Model:
        """A Keras model of its own that computes what the discretized net computes.

        Its weights are the levels, and its quantized activations are made of plain Keras operations, so
        that it can be saved, and loaded where this package is not installed.
        """
        model = self.model
        if isinstance(
            model, keras.Sequential
        ):  # a functional model of the same layers can replace some of them
            model = keras.Model(model.inputs[0], model.outputs[0])
        if hasattr(model, "operations"):
            replaced = {"clone_function": _kept_or_cloned, "call_function": _called_plainly}
            copy = keras.models.clone_model(model, recursive=True, **replaced)
        else:
            copy = keras.models.clone_model(model)
        copy.set_weights(self.weights())
        return copy

    def weights(self) -> list[np.ndarray]:
        """The values of `model.weights`, discretized."""
        levels = {
            id(v): level
            for v, level in zip(self.model.trainable_variables, self.levels(), strict=True)
        }
        return [np.asarray(levels.get(id(weight), weight)) for weight in self.model.weights]


def _the_rule(variable, rules: Sequence[Rule]) -> Rule | None:
    matching = [rule for rule in rules if rule.matches(variable)]
    if len(matching) > 1:
        raise ValueError(f"{variable.path} is matched by {len(matching)} rules: {matching}")
    return matching[0] if matching else None


def _kept_or_cloned(layer):
    return (
        layer
        if isinstance(layer, QuantActivation)
        else layer.__class__.from_config(layer.get_config())
    )


def _called_plainly(layer, *args, **kwargs):
    return (
        layer.quantizer(args[0], None)
        if isinstance(layer, QuantActivation)
        else layer(*args, **kwargs)
    )
