"""Contracts: what a function of each kind takes and returns.

A configured function has the positional parameters of its contract; its keyword-only parameters
are the keys of its YAML option. n is the number of rows of a batch, d the dimensions of one input,
C the number of classes. Arrays are tensors of Keras or TensorFlow unless a contract says NumPy.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import keras
    import numpy as np

    from brnn.nets.task import Task
    from brnn.quantization.precisions import Precision
    from brnn.training.replicas import Replicas

Array = Any  # of shape and type as the contract states

Noise = Callable[[Any], Array]
"""`noise(shape)`: new uniform values in [0, 1) at every call."""

Net = Callable[[Array], Array]
"""`net(x)`: inputs (n, *d) to logits (n, C); for text (n, steps) to (n, steps, C)."""

OnProgress = Callable[[str, float], None]
"""`on_progress(what, share)`: a piece of work and the share of it, in [0, 1], that is done."""

OnEpoch = Callable[[int, dict[str, float]], bool]
"""`on_epoch(epoch, metrics)`: after each epoch, from 1; whether training should continue."""


class Quantizer(Protocol):
    """Latent values to levels."""

    def __call__(self, x: Array, noise: Noise | None) -> Array:
        """Return the levels of `x`, of the same shape and type.

        Args:
            x: latent weights, or the input of an activation.
            noise: the source of a stochastic quantizer; None in evaluation, where every quantizer
                is deterministic.
        """


class Estimator(Protocol):
    """The gradient that a quantized activation passes back in place of its derivative."""

    def __call__(self, x: Array, upstream: Array, fan_in: int) -> Array:
        """Return the gradient with respect to `x`, of its shape.

        Args:
            x: the input of the activation.
            upstream: the gradient with respect to its output.
            fan_in: the number of products in each sum that is an element of `x`.
        """


class Initializer(Protocol):
    """Initial latent weights."""

    def __call__(
        self, shape: tuple[int, ...], scale: float, rng: "np.random.Generator"
    ) -> "np.ndarray":
        """Return float32 values of `shape` in NumPy; `scale` is that of the quantizer's levels."""


class PrecisionOption(Protocol):
    """Which weights and activations are discretized, and how."""

    def __call__(self) -> "Precision":
        """Return the rules of the weights and the quantizer of the hidden activations."""


class Topology(Protocol):
    """An untrained net of ordinary Keras layers."""

    def __call__(self, task: "Task", activate: "Activate") -> "keras.Model":
        """Return a model from inputs (n, *task.shape) to logits (n, task.classes)."""


class Activate(Protocol):
    """The hidden activations of a net, as its precision wants them."""

    def __call__(self, name: str, fan_in: int) -> Callable[[Array], Array]:
        """Return a new activation layer; `name` is the real-valued one, where none is quantized."""


class Loss(Protocol):
    """The loss of each label."""

    def __call__(self, labels: Array, outputs: Array) -> Array:
        """Return one value per label.

        Args:
            labels: whole numbers, of the shape of `outputs` without its last axis; in regression
                real values of its whole shape.
            outputs: logits or values, classes last.
        """


class Schedule(Protocol):
    """A factor on the learning rate for each step."""

    def __call__(self, steps: "np.ndarray", total: int) -> "np.ndarray":
        """Return the factors of `steps`, counted from 0 over all epochs, of `total`; NumPy."""


class Regime(Protocol):
    """The images that a training step sees, and the loss that it lowers."""

    def __call__(
        self,
        call: Callable[[Array], tuple[Array, Any]],
        net: Net,
        loss: Loss,
        x: Array,
        labels: Array,
        noise: Noise,
    ) -> tuple[Array, Array, Any]:
        """Return the loss of the step, the logits (n, C), and the second result of `call`.

        Args:
            call: the net in training: logits and the state that the step must keep.
            net: the net in evaluation.
            loss: one value per label.
            x: pixels (n, *d) in [0, 1].
            labels: classes (n,).
            noise: uniform values in [0, 1).
        """


class Attack(Protocol):
    """Adversarial inputs for a batch."""

    def __call__(self, net: Net, x: Array, labels: Array, seed: Array) -> Array:
        """Return inputs of the shape and type of `x`.

        It is traced into a TensorFlow graph.

        Args:
            net: the net, through the backward pass that the attack sees.
            x: pixels (n, *d) in [0, 1].
            labels: the classes (n,) to leave, or, in a targeted attack, to reach.
            seed: two integers that decide every random choice.
        """


class Distribution(Protocol):
    """Who shares each batch."""

    def __call__(self, recurrent: bool) -> "Replicas":
        """Return the replicas that train a net; `recurrent` nets are slow in one XLA program."""
