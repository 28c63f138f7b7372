"""Contracts: what a function of each group takes and returns.

A configured function has the positional parameters of its contract, by name; its keyword-only
parameters are the keys of its YAML option, checked before it is called. A function raises
`ValueError` (or `brnn.errors.ConfigError`) for keys that do not fit together, or not the data.

Letters: n rows of a batch, *d the axes of one input, C classes. Arrays are tensors of Keras or
TensorFlow, float32 unless stated otherwise; values are NumPy arrays only where a contract has
`np.ndarray`.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import keras
    import numpy as np

    from brnn.data.dataset import Data
    from brnn.exchange.exported import Exported
    from brnn.exchange.net import Net as ExportedNet
    from brnn.nets.task import Task
    from brnn.proof.decide import Verdict
    from brnn.quantization.precisions import Precision
    from brnn.training.replicas import Replicas

Array = Any  # a tensor, of the shape and type that the contract states

Noise = Callable[[Any], Array]
"""`noise(shape)`: new uniform values in [0, 1) at each call."""

Net = Callable[[Array], Array]
"""`net(x)`: inputs (n, *d) to logits (n, C), or (n, steps, C) with an output per step."""

OnProgress = Callable[[str, float], None]
"""`on_progress(what, share)`: a piece of work, and the share of it, in [0, 1], that is done."""

OnEpoch = Callable[[int, dict[str, float]], bool]
"""`on_epoch(epoch, metrics)`: called after each epoch, from 1; false ends training."""


ByStep = Callable[["np.ndarray", int], dict[str, "np.ndarray"]]
"""`by_step(steps, total)`: what changes from step to step, by the name of its metric.

`steps` are whole numbers from 0 over all epochs of a run of `total` steps; each value is an array
(steps, …). `train/learning_rate` is always one of them.
"""


class Quantizer(Protocol):
    """Map latent values to levels: `brnn.quantization.quantizers`."""

    def __call__(self, x: Array, noise: Noise | None) -> Array:
        """Return the levels of `x`, of the same shape and type.

        Args:
            x: latent weights, or the input of an activation.
            noise: the source of a stochastic quantizer; None in evaluation, where each quantizer is
                deterministic.
        """


class Estimator(Protocol):
    """Group `estimator`: the gradient that a quantized activation passes back."""

    def __call__(self, x: Array, upstream: Array, fan_in: int) -> Array:
        """Return the gradient with respect to `x`, in place of the quantizer's derivative.

        Args:
            x: the input of the activation.
            upstream: the gradient with respect to its output, of the same shape.
            fan_in: number of products in each sum that is an element of `x`, 1 or more.

        Returns:
            Finite values of the shape of `x`, odd in `upstream`.

        A keyword-only argument that is a number is a scalar tensor where it is annealed.
        """


class Initializer(Protocol):
    """Groups `initializer` and `bias_initializer`: initial latent weights."""

    def __call__(
        self, shape: tuple[int, ...], scale: float, rng: "np.random.Generator"
    ) -> "np.ndarray":
        """Return float32 values of `shape`.

        Args:
            shape: of the variable; the fan-in is the product of all axes but the last.
            scale: the bound of the latent weights, which is the largest level; 1 without a bound.
            rng: the only source of randomness.
        """


class PrecisionOption(Protocol):
    """Group `precision`: the discretized weights and activations of a net."""

    def __call__(self) -> "Precision":
        """Return the rules of the weights and the quantizer of the hidden activations."""


class Activate(Protocol):
    """The factory of the hidden activations of a net, which its precision and estimator decide."""

    def __call__(self, name: str, fan_in: int) -> Callable[[Array], Array]:
        """Return a new activation: a layer, or in exported nets a plain function.

        Args:
            name: of the real-valued activation in Keras, used where none is quantized.
            fan_in: number of products in each sum that is an element of the input.
        """


class Topology(Protocol):
    """Group `topology`: a net of ordinary Keras layers."""

    def __call__(self, task: "Task", activate: Activate) -> "keras.Model":
        """Return an untrained model.

        Args:
            task: the inputs and outputs of the model.
            activate: returns each hidden activation.

        Returns:
            A model from inputs (n, *task.shape) to logits (n, C), or (n, steps, C) where
            `task.per_step`. With `task.carried` it maps [x, *states] to [logits, *states]. Layers
            named `real_…` are never discretized. Inputs are read by
            `brnn.nets.inputs.normalized(task, inputs)`.

        Raises:
            ValueError: the topology cannot read inputs of that shape.
        """


class DatasetOption(Protocol):
    """Group `dataset`: the arrays of a data set.

    The return annotation states its kind, by which a configuration is checked: `Data` (pixels or
    values with classes), `Tokens`, `Values` or `Signal` of `brnn.data.dataset`.
    """

    def __call__(self) -> "Data":
        """Return the splits.

        Raises:
            DataError: the data cannot be read, or no net could be trained on them.
        """


class Loss(Protocol):
    """Group `loss`: the loss of each label."""

    def __call__(self, labels: Array, outputs: Array) -> Array:
        """Return a value for each label; with one value per row, of shape (n,).

        Args:
            labels: whole numbers below C, of the shape of `outputs` without its last axis; in
                regression real values of the whole shape.
            outputs: logits (…, C), or real values.
        """


class Schedule(Protocol):
    """Group `schedule`: a factor on the learning rate, or on an annealed key, for each step."""

    def __call__(self, steps: "np.ndarray", total: int) -> "np.ndarray":
        """Return the factors of some steps, of the shape of `steps`.

        Args:
            steps: whole numbers from 0, counted over all epochs.
            total: number of steps of the whole run, or of those over which a key is annealed.
        """


class Progression(Protocol):
    """Group `progression`: the share of each layer that is discretized at a step."""

    def __call__(
        self,
        steps: "np.ndarray",
        total: int,
        layers: int,
        part: Literal["weights", "activations"],
    ) -> "np.ndarray":
        """Return shares in [0, 1], (steps, layers): 1 where all of a layer is discretized.

        Args:
            steps: whole numbers from 0, counted over all epochs.
            total: number of steps of the whole run.
            layers: number of layers with discretized weights, or of quantized activations, from the
                input.
            part: which of the two.
        """


class Regime(Protocol):
    """Group `training`: the inputs that a training step uses, and the loss that it lowers."""

    def __call__(
        self,
        call: Callable[[Array], tuple[Array, Any]],
        net: Net,
        loss: Loss,
        x: Array,
        labels: Array,
        noise: Noise,
    ) -> tuple[Array, Array, Any]:
        """Return the loss of a step (a scalar), the logits of `x`, and the second result of `call`.

        It is traced into a TensorFlow graph.

        Args:
            call: the net in training; returns logits, and the state that the step keeps. Called
                exactly once.
            net: the net in evaluation, whose weights are constants.
            loss: see `Loss`.
            x: pixels (n, *d) in [0, 1], or other inputs.
            labels: see `Loss`.
            noise: the only source of randomness.
        """


class Distribution(Protocol):
    """Group `distribution`: the devices that share each batch."""

    def __call__(self, recurrent: bool) -> "Replicas":
        """Return the replicas that train a net.

        Args:
            recurrent: whether the net is recurrent, whose steps are slow in one XLA program.

        Raises:
            ConfigError: the devices or workers do not exist.
            WorkerError: a worker did not connect in time.
        """


class Attack(Protocol):
    """Group `attack`: adversarial inputs for a batch.

    A module of attacks states as `SEES_GRADIENT` whether they use the gradient of the net; without
    it they do.
    """

    def __call__(self, net: Net, x: Array, labels: Array, seed: Array) -> Array:
        """Return inputs of the shape and type of `x`.

        It is traced into a graph for batches of any n, which may run at the same time unless it
        calls Python, draws from a generator with a state, or changes variables.

        Args:
            net: the net, through the backward pass that the attack is given.
            x: pixels (n, *d) in [0, 1].
            labels: classes (n,): those to leave, or in a targeted attack those to reach.
            seed: int32 (2,), the only source of randomness.
        """


class Ensemble(Protocol):
    """Group `attack`: an attack made of others, each on the images that are not broken yet."""

    def __call__(self) -> dict[str, dict[str, Any]]:
        """Return the complete options of the members, by name, in the order in which they run.

        Raises:
            ConfigError: a member does not exist or has no such key.
        """


class Proof(Protocol):
    """Group `attack`: a solver that decides images one by one, `brnn.proof.exact`."""

    def __call__(
        self,
        model: "keras.Model",
        images: "np.ndarray",
        labels: "np.ndarray",
        examples: "np.ndarray",
        on_progress: OnProgress,
    ) -> Iterator["Verdict"]:
        """Return an iterator over verdicts: for each image whether another class is possible.

        The images (n, *d) have pixels in [0, 1] and the classes `labels` (n,); those of `examples`
        may break the model, the discretized net. `on_progress` is called as images are decided.
        """


class Format(Protocol):
    """Group `format`: a net as a file that something else runs."""

    def __call__(self, net: "ExportedNet") -> "Exported":
        """Return the file, and the logits that its runtime computes.

        Args:
            net: codes, scales and thresholds.

        Raises:
            ConfigError: the format cannot hold the net, or a program is missing.
        """
