"""The nets of a model that has no configuration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from brnn.config import groups
from brnn.contracts import Array, Estimator, OnProgress
from brnn.errors import ConfigError
from brnn.quantization.annealing import estimator_of
from brnn.quantization.layers import QuantActivation, record_calls
from brnn.quantization.manager import QuantManager
from brnn.robustness.nets import Net


class ModelNets:
    """A model with any backward pass; it fulfils `brnn.robustness.nets.Nets`.

    A model without quantized activations is the same through every estimator.

    Args:
        net: a Keras model, a manager, or any function of TensorFlow, from images to logits.
        example: one image (1, *d), to find the quantized activations of the net.
        twin: the surrogate `source=twin`, if there is one.
        seed: decides every random choice.
        on_progress: called while an attack runs.
    """

    def __init__(
        self,
        net: Any,
        example: np.ndarray,
        twin: Callable[[Array], Array] | None,
        seed: int,
        on_progress: OnProgress,
    ):
        self.net = net
        self.example = example
        self.twin = twin
        self.seed = seed
        self.plugins: list[str] = []
        self.verdicts: Path | None = None
        self.on_progress = on_progress
        self.quantized = bool(_activations(net, example))
        weights_quantized = isinstance(net, QuantManager) and any(net.rules)
        self.full_precision = not (self.quantized or weights_quantized)
        self._nets: dict[tuple[str, str | None], Net] = {}

    def through(self, estimator: str, source: str | None = None) -> Net:
        """Return the net with a backward pass of choice, or its twin; see `Nets`.

        Raises:
            ConfigError: the model cannot be cloned, or there is no such surrogate.
        """
        if source == "twin" and self.full_precision:
            source = None
        key = (estimator, source)
        if key not in self._nets:
            self._nets[key] = Net(self._model(*key))
        return self._nets[key]

    def _model(self, estimator: str, source: str | None) -> Callable[[Array], Array]:
        if source is not None:
            if source != "twin" or self.twin is None:
                raise ConfigError(
                    f"attack.source={source} needs a run; without one only twin=<a model> is valid"
                )
            return self.twin
        if estimator == "trained" or not self.quantized:
            return self.net
        backward = estimator_of(groups.option("estimator", estimator), [])
        if isinstance(self.net, QuantManager):
            model, weights = self.net.model, self.net.weights()
        else:
            model, weights = self.net, self.net.get_weights()
        return _with_estimator(model, weights, backward, self.example)


def _with_estimator(
    model: keras.Model, weights: list[np.ndarray], estimator: Estimator, example: np.ndarray
) -> keras.Model:
    """Return a copy of a model with other weights and another backward pass.

    Raises:
        ConfigError: the model cannot be cloned.
    """

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, QuantActivation):
            return QuantActivation(layer.quantizer, estimator, layer.fan_in, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    refusal = (
        "the control through the identity estimator needs a functional or sequential model of"
        f" layers that Keras can clone, got {type(model).__name__}"
    )
    if isinstance(model, keras.Sequential):  # a functional model of the same layers
        model = keras.Model(model.inputs[0], model.outputs[0])
    try:
        copy = keras.models.clone_model(model, clone_function=clone, recursive=True)
        copy.set_weights(weights)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ConfigError(f"{refusal}: {error}") from error
    if any(layer.estimator is not estimator for layer in _activations(copy, example)):
        raise ConfigError(f"{refusal}, with quantized activations inside other layers")
    return copy


def _activations(net: Callable[[Array], Array], example: np.ndarray) -> list[QuantActivation]:
    """Return the quantized activations that a call of a net runs, wherever they are."""
    _, calls = record_calls(net, example)
    return [layer for layer, _ in calls]
