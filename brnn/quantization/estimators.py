"""Gradient estimators: what a quantized activation passes back in place of its derivative.

A quantizer is a staircase, whose derivative is zero almost everywhere. Each function here maps the
input `x` of a quantizer, the gradient `upstream` that arrives at its output (same shape), and the
`fan_in` of the layer that produced `x` to the gradient to hand on (same shape).

The first five are those of the original framework. Like it, they pass nothing where `x` is exactly 0.
"""

import math

from keras import ops

from brnn.config.ranges import NonNegative, Positive


def identity(x, upstream, fan_in):
    """The upstream gradient, everywhere but at 0.

    Bengio, Leonard and Courville 2013, arXiv:1308.3432.
    """
    return _where(x != 0, upstream)


def ste(x, upstream, fan_in, *, bound: Positive):
    """The upstream gradient where |x| <= bound, else 0: saturated units stop learning.

    Hubara et al. 2016, arXiv:1602.02830, with bound = 1.
    """
    return _where(_within(x, bound), upstream)


def chernoff(x, upstream, fan_in):
    """The upstream gradient where -2 sqrt(N ln 4) <= x <= sqrt(6 N ln 4), N the fan-in, else 0.

    With inputs and weights of +-1, (x + N) / 2 is a sum of N Bernoulli variables. The bounds are
    N/2 (1 - sqrt(4 ln 4 / N)) and N/2 (1 + sqrt(6 ln 4 / N)) on that sum, from the two Chernoff
    inequalities, written back in x. Meant for deep nets without normalization.
    """
    lower = -2.0 * math.sqrt(fan_in * math.log(4))
    upper = math.sqrt(6.0 * fan_in * math.log(4))
    return _where(ops.logical_and(x >= lower, x <= upper) & (x != 0), upstream)


def leaky_softsign(x, upstream, fan_in, *, bound: Positive, leak: NonNegative):
    """The upstream gradient where |x| <= bound, and `leak` times it beyond."""
    return ops.where(_within(x, bound), upstream, leak * _where(x != 0, upstream))


def binary_gradient(x, upstream, fan_in, *, bound: Positive):
    """The sign of the upstream gradient where |x| <= bound, else 0."""
    return _where(_within(x, bound), ops.sign(upstream))


def approx_sign(x, upstream, fan_in):
    """The upstream gradient times 2 - 2|x| where |x| <= 1, else 0: two parabolas that hug sign.

    Liu et al. 2018, arXiv:1808.00278.
    """
    return upstream * ops.maximum(2.0 - 2.0 * ops.abs(x), 0.0)


def swish_sign(x, upstream, fan_in, *, beta: Positive):
    """The upstream gradient times d/dx of 2 s(z) (1 + z s(-z)) - 1, with z = beta x and s the sigmoid.

    The slope is beta at 0 and negative where |z| > 2.4, which pulls far inputs back.
    Darabi et al. 2018, arXiv:1812.11800, with beta = 5.
    """
    z = beta * x
    bell = ops.sigmoid(z) * ops.sigmoid(-z)  # s (1 - s) would cancel in float32
    return upstream * 2.0 * beta * bell * (2.0 - z * ops.tanh(z / 2.0))


def _within(x, bound):
    return ops.logical_and(ops.abs(x) <= bound, x != 0)


def _where(condition, gradient):
    return ops.where(condition, gradient, ops.zeros_like(gradient))
