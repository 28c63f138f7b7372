"""Precisions: which quantizer each role of weight gets, and which the hidden activation.

Layers whose names start with `real_` stay real-valued. Latent weights are kept within the levels of
their role. A precision without a quantizer for the activation leaves it real, as the topology says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from brnn import quantizers
from brnn.manager import Rule
from brnn.ranges import Positive, PositiveShare

DISCRETIZED_LAYERS = r"(?!(.*/)?real_)"


@dataclass(frozen=True)
class Precision:
    """The manager's rules, and the quantizer of the hidden activation (None: real)."""

    rules: tuple[Rule, ...]
    activation: Callable | None


def full():
    """Nothing is discretized."""
    return Precision((), None)


def binaryconnect(*, scale: Positive):
    """Weights and biases are +-scale, activations real.

    Courbariaux et al. 2015, arXiv:1511.00363, here with deterministic signs.
    """
    return Precision(_weights(partial(quantizers.binary, scale=scale), scale), None)


def binarynet(*, scale: Positive):
    """Weights and biases are +-scale, hidden activations +-1.

    Hubara et al. 2016, arXiv:1602.02830.
    """
    return Precision(binaryconnect(scale=scale).rules, partial(quantizers.binary, scale=1.0))


def ternary(*, scale: Positive):
    """Weights and biases are -scale, 0 or +scale, activations real.

    Li, Zhang and Liu 2016, arXiv:1605.04711, with a fixed scale and threshold.
    """
    return Precision(_weights(partial(quantizers.ternary, scale=scale), scale), None)


def stochastic_binary(*, scale: Positive):
    """Weights and biases are drawn from +-scale at every training step, activations real.

    Courbariaux et al. 2015, arXiv:1511.00363.
    """
    return Precision(_weights(partial(quantizers.stochastic_binary, scale=scale), scale), None)


def stochastic_ternary(*, scale: Positive):
    """Weights and biases are drawn from 0 and sign(x) scale at every training step, activations real.

    Lin et al. 2016, arXiv:1510.03009.
    """
    return Precision(_weights(partial(quantizers.stochastic_ternary, scale=scale), scale), None)


def exponential(*, bound: Positive):
    """Weights and biases are powers of two with a sign, activations real.

    Ott et al. 2016, arXiv:1608.06902.
    """
    return Precision(_weights(quantizers.exponential, bound), None)


def low_rank(*, ratio: PositiveShare, bound: Positive):
    """Kernels keep their leading ceil(ratio rank) singular values; biases and activations are real."""
    quantizer = partial(quantizers.low_rank, ratio=ratio)
    return Precision((_rule("kernel", quantizer, bound), _rule("recurrent_kernel", quantizer, bound)), None)


def _weights(quantizer, bound):
    return tuple(_rule(role, quantizer, bound) for role in ("kernel", "recurrent_kernel", "bias"))


def _rule(role, quantizer, bound):
    return Rule(role, quantizer, bound, DISCRETIZED_LAYERS, optional=role == "recurrent_kernel")
