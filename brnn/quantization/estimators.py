"""Gradient estimators: what a quantized activation passes back in place of its derivative.

A quantizer is a staircase, whose derivative is 0 almost everywhere. Each function has the contract
`brnn.contracts.Estimator`: the input `x` of a quantizer, the gradient `upstream` with respect to
its output, and the `fan_in` of `x`, to the gradient with respect to `x`. The first five are those
of the original framework; as there, they pass nothing where `x` is exactly 0. A key that is a
number may change over the training: see `brnn.config.annealing`.
"""

import math

from keras import ops

from brnn.config.ranges import NonNegative, Positive
from brnn.contracts import Array


def identity(x: Array, upstream: Array, fan_in: int) -> Array:
    """Return `upstream` everywhere but at 0.

    References:
        Bengio, Leonard and Courville 2013, arXiv:1308.3432.
    """
    return _where(x != 0, upstream)


def ste(x: Array, upstream: Array, fan_in: int, *, bound: Positive) -> Array:
    """Return `upstream` where |x| <= bound, else 0: saturated units stop learning.

    References:
        Hubara et al. 2016, arXiv:1602.02830: bound = 1.
    """
    return _where(_within(x, bound), upstream)


def chernoff(x: Array, upstream: Array, fan_in: int) -> Array:
    """Return `upstream` where -2 sqrt(N ln 4) <= x <= sqrt(6 N ln 4), N the fan-in, else 0.

    With inputs and weights of ±1, (x + N) / 2 is a sum of N Bernoulli variables. The two Chernoff
    inequalities bound this sum by N/2 (1 - sqrt(4 ln 4 / N)) and N/2 (1 + sqrt(6 ln 4 / N)); the
    bounds above are these in terms of x. Meant for deep nets without normalization.
    """
    lower = -2.0 * math.sqrt(fan_in * math.log(4))
    upper = math.sqrt(6.0 * fan_in * math.log(4))
    return _where(ops.logical_and(x >= lower, x <= upper) & (x != 0), upstream)


def leaky_softsign(
    x: Array, upstream: Array, fan_in: int, *, bound: Positive, leak: NonNegative
) -> Array:
    """Return `upstream` where |x| <= bound, else leak times `upstream`."""
    return ops.where(_within(x, bound), upstream, leak * _where(x != 0, upstream))


def binary_gradient(x: Array, upstream: Array, fan_in: int, *, bound: Positive) -> Array:
    """Return the sign of `upstream` where |x| <= bound, else 0."""
    return _where(_within(x, bound), ops.sign(upstream))


def approx_sign(x: Array, upstream: Array, fan_in: int) -> Array:
    """Return (2 - 2 |x|) `upstream` where |x| <= 1, else 0: the slope of two parabolas near sign.

    References:
        Liu et al. 2018, arXiv:1808.00278.
    """
    return upstream * ops.maximum(2.0 - 2.0 * ops.abs(x), 0.0)


def swish_sign(x: Array, upstream: Array, fan_in: int, *, beta: Positive) -> Array:
    """Return `upstream` times the slope of 2 s(z) (1 + z s(-z)) - 1, z = beta x, s the sigmoid.

    The slope is beta at 0, and negative where |z| > 2.4, which pulls distant inputs back.

    References:
        Darabi et al. 2018, arXiv:1812.11800: beta = 5.
    """
    z = beta * x
    bell = ops.sigmoid(z) * ops.sigmoid(-z)  # s (1 - s) would cancel in float32
    return upstream * 2.0 * beta * bell * (2.0 - z * ops.tanh(z / 2.0))


def tanh(x: Array, upstream: Array, fan_in: int, *, slope: Positive) -> Array:
    """Return `upstream` times s (1 - tanh^2(s x)), s the slope: the derivative of a steeper tanh.

    With a slope that rises over the training, tanh approaches sign.
    """
    return upstream * slope * _tanh_slope(slope * x)


def ede(x: Array, upstream: Array, fan_in: int, *, slope: Positive) -> Array:
    """Return `upstream` times k t (1 - tanh^2(t x)), t the slope and k = max(1 / t, 1).

    It is the derivative of k tanh(t x): the identity near 0 while t < 1, and sign as t grows. The
    paper lets t rise from 0.1 to 10, t = 0.1 * 100^(i / N) in epoch i of N; here in step i of N.

    References:
        Qin et al. 2020, arXiv:1909.10788: the error decay estimator of IR-Net, there for weights
        too.
    """
    return upstream * ops.maximum(slope, 1.0) * _tanh_slope(slope * x)


def reste(
    x: Array,
    upstream: Array,
    fan_in: int,
    *,
    power: Positive,
    bound: Positive,
    linear: Positive,
) -> Array:
    """Return `upstream` times the derivative of sign(x) |x|^(1 / o), o the power.

        |x| <= m        m^(1 / o) / m, the slope of the line to the point at m = `linear`
        m < |x| <= t    |x|^(1 / o - 1) / o, t = `bound`
        t < |x|         0

    The power rises from 1, `ste`, to the value at which the estimator is nearest to sign.

    References:
        Wu et al. 2023, arXiv:2308.06689: o from 1 to 3, t = 1.5, m = 0.1; there for weights too.
    """
    size = ops.abs(x)
    steep = ops.power(ops.maximum(size, linear), 1.0 / power - 1.0)
    slope = ops.where(size <= linear, steep, steep / power)
    return ops.where(size <= bound, slope, ops.zeros_like(slope)) * upstream


def _tanh_slope(z: Array) -> Array:
    """Return 1 - tanh^2(z), without cancellation in float32."""
    return 4.0 * ops.sigmoid(2.0 * z) * ops.sigmoid(-2.0 * z)


def _within(x: Array, bound: float) -> Array:
    """Return whether |x| <= bound and x is not 0."""
    return ops.logical_and(ops.abs(x) <= bound, x != 0)


def _where(condition: Array, gradient: Array) -> Array:
    """Return the gradient where the condition holds, else 0."""
    return ops.where(condition, gradient, ops.zeros_like(gradient))
