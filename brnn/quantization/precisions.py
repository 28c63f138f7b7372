"""Precisions: the quantizer of each role of weights, and that of the hidden activations.

Layers whose names start with `real_` stay real-valued. Latent weights are kept within the largest
level of their role, or within `bound`. Where a precision has no quantizer for activations, they are
the real-valued ones of the topology.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from brnn.config.ranges import Positive, PositiveShare, ProperShare
from brnn.contracts import Quantizer
from brnn.quantization import quantizers
from brnn.quantization.manager import Rule

DISCRETIZED_LAYERS = r"(?!(.*/)?real_)"
ROLES = {  # the role of a variable, and the role whose quantizer it takes
    "kernel": "kernel",
    "recurrent_kernel": "recurrent_kernel",
    "bias": "bias",
    "input_projection": "kernel",
}
HIDDEN, INPUT = {"recurrent_kernel"}, {"kernel", "bias", "input_projection"}


@dataclass(frozen=True)
class Precision:
    """What is discretized in a net.

    Attributes:
        rules: those of the `QuantManager`.
        activation: quantizer of the hidden activations; None leaves them real-valued.
    """

    rules: tuple[Rule, ...]
    activation: Quantizer | None


def full() -> Precision:
    """Discretize nothing."""
    return Precision((), None)


def binaryconnect(*, scale: Positive) -> Precision:
    """Discretize weights and biases to ±scale.

    References:
        Courbariaux et al. 2015, arXiv:1511.00363; here with deterministic signs.
    """
    return Precision(_weights(partial(quantizers.binary, scale=scale), scale), None)


def binarynet(*, scale: Positive) -> Precision:
    """Discretize weights and biases to ±scale, hidden activations to ±1.

    References:
        Hubara et al. 2016, arXiv:1602.02830.
    """
    return Precision(binaryconnect(scale=scale).rules, partial(quantizers.binary, scale=1.0))


def ternary(*, scale: Positive) -> Precision:
    """Discretize weights and biases to -scale, 0 or +scale.

    References:
        Li, Zhang and Liu 2016, arXiv:1605.04711; here with a fixed scale and threshold.
    """
    return Precision(_weights(partial(quantizers.ternary, scale=scale), scale), None)


def stochastic_binary(*, scale: Positive) -> Precision:
    """Draw weights and biases from ±scale at every training step.

    References:
        Courbariaux et al. 2015, arXiv:1511.00363.
    """
    return Precision(_weights(partial(quantizers.stochastic_binary, scale=scale), scale), None)


def stochastic_ternary(*, scale: Positive) -> Precision:
    """Draw weights and biases from 0 and scale sign(x) at every training step.

    References:
        Lin et al. 2016, arXiv:1510.03009.
    """
    return Precision(_weights(partial(quantizers.stochastic_ternary, scale=scale), scale), None)


def exponential(*, bound: Positive) -> Precision:
    """Round weights and biases to signed powers of two.

    References:
        Ott et al. 2016, arXiv:1608.06902.
    """
    return Precision(_weights(quantizers.exponential, bound), None)


def low_rank(*, ratio: PositiveShare, bound: Positive) -> Precision:
    """Keep the largest ceil(ratio rank) singular values of kernels; biases stay real-valued."""
    return Precision(_kernels(partial(quantizers.low_rank, ratio=ratio), bound), None)


def xnor(*, by: Literal["tensor", "channel"], bound: Positive) -> Precision:
    """Discretize kernels to ± their mean size, hidden activations to ±1; biases stay real-valued.

    Args:
        by: whether the scale is that of a tensor, or of each of its output channels.
        bound: of the latent weights.

    References:
        Rastegari et al. 2016, arXiv:1603.05279.
    """
    rules = _kernels(partial(quantizers.absmean_binary, by=by), bound)
    return Precision(rules, partial(quantizers.binary, scale=1.0))


def twn(*, by: Literal["tensor", "channel"], bound: Positive) -> Precision:
    """Discretize kernels to 0 or ± the mean size beyond a threshold; biases stay real-valued.

    Args:
        by: whether scale and threshold are those of a tensor, or of each of its output channels.
        bound: of the latent weights.

    References:
        Li, Zhang and Liu 2016, arXiv:1605.04711.
    """
    return Precision(_kernels(partial(quantizers.threshold_ternary, by=by), bound), None)


def bitnet(*, by: Literal["tensor", "channel"], bound: Positive) -> Precision:
    """Discretize kernels to 0 or ± their mean size; biases and activations stay real-valued.

    Args:
        by: whether the scale is that of a tensor, or of each of its output channels.
        bound: of the latent weights.

    References:
        Ma et al. 2024, arXiv:2402.17764; there with activations of 8 bits.
    """
    return Precision(_kernels(partial(quantizers.absmean_ternary, by=by), bound), None)


def learned_binary(
    *, scale: Positive, by: Literal["tensor", "channel"], bound: Positive
) -> Precision:
    """Discretize kernels to ± a learned scale, hidden activations to ±1; biases stay real-valued.

    The gradient of the scale is the sum of those of the levels times their signs.

    Args:
        scale: at the first step.
        by: whether the scale is that of a tensor, or of each of its output channels.
        bound: of the latent weights.

    References:
        Bulat and Tzimiropoulos 2019, arXiv:1909.13863 (XNOR-Net++), by channel.
    """
    rules = _kernels(partial(quantizers.binary, scale=scale), bound)
    learned = tuple(replace(rule, learned=("scale",), by=by) for rule in rules)
    return Precision(learned, partial(quantizers.binary, scale=1.0))


def ttq(
    *, positive: Positive, negative: Positive, threshold: ProperShare, bound: Positive
) -> Precision:
    """Discretize kernels to 0 and two learned levels; biases and activations stay real-valued.

    The gradient of a level is the sum of those of the weights that have it. That of a latent weight
    is multiplied by the size of its level, where it is not 0.

    Args:
        positive: the level above 0 at the first step.
        negative: the size of the level below 0 at the first step.
        threshold: latent weights within this share of the largest one are 0.
        bound: of the latent weights.

    References:
        Zhu et al. 2016, arXiv:1612.01064 (trained ternary quantization).
    """
    levels = partial(
        quantizers.trained_ternary, positive=positive, negative=negative, threshold=threshold
    )
    rules = _kernels(levels, bound)
    learned = tuple(replace(rule, learned=("positive", "negative"), scaled=True) for rule in rules)
    return Precision(learned, None)


def contextual_binary(
    *,
    kernel_scale: Positive,
    recurrent_scale: Positive,
    bias_scale: Positive,
    roles: Literal["all", "hidden", "input"],
) -> Precision:
    """Discretize weights to ± the scale of their role.

    Args:
        kernel_scale: of kernels and input projections.
        recurrent_scale: of recurrent kernels.
        bias_scale: of biases.
        roles: which are discretized: `hidden` for recurrent kernels, `input` for the others.

    References:
        Clark, Prabhu and Whaley 2017, "A Contextual Discretization framework for compressing
        Recurrent Neural Networks".
    """
    return _contextual(quantizers.binary, kernel_scale, recurrent_scale, bias_scale, roles)


def contextual_ternary(
    *,
    kernel_scale: Positive,
    recurrent_scale: Positive,
    bias_scale: Positive,
    roles: Literal["all", "hidden", "input"],
) -> Precision:
    """Discretize weights to 0 or ± the scale of their role.

    The keys are those of `contextual_binary`.

    References:
        Clark, Prabhu and Whaley 2017, "A Contextual Discretization framework for compressing
        Recurrent Neural Networks".
    """
    return _contextual(quantizers.ternary, kernel_scale, recurrent_scale, bias_scale, roles)


def custom(
    *,
    kernel: dict | None,
    recurrent_kernel: dict | None,
    bias: dict | None,
    activation: dict | None,
) -> Precision:
    """Choose a quantizer for each role, and for the hidden activations.

    Each argument is None (real-valued) or a mapping with the name of a quantizer as `quantizer`,
    and its keys. Latent weights are kept within `scale`; a quantizer without a scale takes a
    further key `bound`.
    """
    chosen = {"kernel": kernel, "recurrent_kernel": recurrent_kernel, "bias": bias}
    rules = [
        _rule(role, _quantizer(keys), keys.get("scale", keys.get("bound")))
        for role, source in ROLES.items()
        if (keys := chosen[source]) is not None
    ]
    return Precision(tuple(rules), None if activation is None else _quantizer(activation))


def _contextual(
    quantizer: Any,
    kernel_scale: float,
    recurrent_scale: float,
    bias_scale: float,
    roles: Literal["all", "hidden", "input"],
) -> Precision:
    """Return the rules of `quantizer` for some roles, each with its scale."""
    scales = {"kernel": kernel_scale, "recurrent_kernel": recurrent_scale, "bias": bias_scale}
    chosen = {"all": HIDDEN | INPUT, "hidden": HIDDEN, "input": INPUT}[roles]
    scaled = {role: scales[source] for role, source in ROLES.items() if role in chosen}
    rules = (_rule(role, partial(quantizer, scale=scale), scale) for role, scale in scaled.items())
    return Precision(
        tuple(replace(rule, optional=rule.optional and roles != "hidden") for rule in rules), None
    )


def _quantizer(keys: dict[str, Any]) -> Quantizer:
    """Return the quantizer that a mapping names, with its keys bound."""
    keys = {key: value for key, value in keys.items() if key != "bound"}
    return partial(getattr(quantizers, keys.pop("quantizer")), **keys)


def _weights(quantizer: Quantizer, bound: float) -> tuple[Rule, ...]:
    """Return a rule for every role."""
    return tuple(_rule(role, quantizer, bound) for role in ROLES)


def _kernels(quantizer: Quantizer, bound: float) -> tuple[Rule, ...]:
    """Return a rule for kernels and one for recurrent kernels."""
    return _rule("kernel", quantizer, bound), _rule("recurrent_kernel", quantizer, bound)


def _rule(role: str, quantizer: Quantizer, bound: float | None) -> Rule:
    optional = role in ("recurrent_kernel", "input_projection")  # which a dense net lacks
    return Rule(role, quantizer, bound, DISCRETIZED_LAYERS, optional)
