"""Precisions: which quantizer each role of weight gets, and which the hidden activation.

Layers whose names start with `real_` stay real-valued. Latent weights are kept within the levels of
their role. A precision without a quantizer for the activation leaves it real, as the topology says.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from brnn.config.ranges import Positive, PositiveShare
from brnn.quantization import quantizers
from brnn.quantization.manager import Rule

DISCRETIZED_LAYERS = r"(?!(.*/)?real_)"
ROLES = {
    "kernel": "kernel",
    "recurrent_kernel": "recurrent_kernel",
    "bias": "bias",
    "input_projection": "kernel",
}
HIDDEN, INPUT = {"recurrent_kernel"}, {"kernel", "bias", "input_projection"}


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
    return Precision(
        (_rule("kernel", quantizer, bound), _rule("recurrent_kernel", quantizer, bound)), None
    )


def contextual_binary(
    *,
    kernel_scale: Positive,
    recurrent_scale: Positive,
    bias_scale: Positive,
    roles: Literal["all", "hidden", "input"],
):
    """Weights are +-the scale of their role; of the `hidden` roles (recurrent kernels) alone, or the `input` ones.

    Clark, Prabhu and Whaley 2017, "A Contextual Discretization framework for compressing Recurrent Neural Networks".
    """
    return _contextual(quantizers.binary, kernel_scale, recurrent_scale, bias_scale, roles)


def contextual_ternary(
    *,
    kernel_scale: Positive,
    recurrent_scale: Positive,
    bias_scale: Positive,
    roles: Literal["all", "hidden", "input"],
):
    """Weights are 0 or +-the scale of their role; of the `hidden` roles (recurrent kernels) alone, or the `input` ones.

    Clark, Prabhu and Whaley 2017, "A Contextual Discretization framework for compressing Recurrent Neural Networks".
    """
    return _contextual(quantizers.ternary, kernel_scale, recurrent_scale, bias_scale, roles)


def custom(
    *,
    kernel: dict | None,
    recurrent_kernel: dict | None,
    bias: dict | None,
    activation: dict | None,
):
    """Any quantizer for each role, or none: a mapping with its name as `quantizer`, and its keys.

    Latent weights stay within the scale of the levels; a quantizer without one has a further key, their `bound`.
    """
    chosen = {"kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": bias}
    rules = [
        _rule(role, _quantizer(keys), keys.get("scale", keys.get("bound")))
        for role, of in ROLES.items()
        if (keys := chosen[of]) is not None
    ]
    return Precision(tuple(rules), None if activation is None else _quantizer(activation))


def _contextual(quantizer, kernel_scale, recurrent_scale, bias_scale, roles):
    scales = {"kernel": kernel_scale, "recurrent_kernel": recurrent_scale, "bias": bias_scale}
    chosen = {"all": HIDDEN | INPUT, "hidden": HIDDEN, "input": INPUT}[roles]
    scaled = {role: scales[of] for role, of in ROLES.items() if role in chosen}
    rules = (_rule(role, partial(quantizer, scale=scale), scale) for role, scale in scaled.items())
    return Precision(
        tuple(replace(rule, optional=rule.optional and roles != "hidden") for rule in rules), None
    )


def _quantizer(keys):
    keys = {key: value for key, value in keys.items() if key != "bound"}
    return partial(getattr(quantizers, keys.pop("quantizer")), **keys)


def _weights(quantizer, bound):
    return tuple(_rule(role, quantizer, bound) for role in ROLES)


def _rule(role, quantizer, bound):
    return Rule(
        role,
        quantizer,
        bound,
        DISCRETIZED_LAYERS,
        optional=role in ("recurrent_kernel", "input_projection"),
    )
