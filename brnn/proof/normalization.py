"""Batch normalization of tensors."""

from dataclasses import replace

import numpy as np

from brnn.errors import DataError
from brnn.proof import operators
from brnn.proof.flows import Flow
from brnn.proof.numbers import OPERATIONS, check_range, flushed, rounded
from brnn.proof.windows import Attributes


def batch_normalization(name: str, attributes: Attributes, flow: Flow, *values: np.ndarray) -> Flow:
    """Return the normalized tensor, whose second axis is that of the channels.

    Raises:
        DataError: a value is not finite, or a variance and epsilon are not above 0.
    """
    sums = operators.units(name, flow)
    if attributes.get("training_mode", 0):
        raise DataError(f"{name}: training_mode=1 is not supported")
    if not attributes.get("spatial", 1):
        raise DataError(f"{name}: spatial=0 is not supported")
    operators.check_finite(name, *values)
    gamma, beta, mean, variance = (v.astype("float64") for v in values)
    variance = variance + np.float64(np.float32(attributes.get("epsilon", 1e-5)))
    if (variance <= 0).any():
        raise DataError(f"{name}: variance and epsilon must be above 0, got {variance.min():g}")
    deviation = np.sqrt(variance)
    factor, rest = gamma / deviation, (beta, mean)
    check_range(name, np.abs(factor), np.abs(mean), np.abs(beta))
    shape = (1, -1, *(1,) * (len(sums.shape) - 2))
    factor, (beta, mean) = factor.reshape(shape), (v.reshape(shape) for v in rest)
    result = sums.affine(factor, beta - mean * factor, operations=OPERATIONS)
    sizes = np.abs(factor) * (sums.size + np.abs(mean)) + np.abs(beta)
    check_range(name, sizes)
    lost = (flushed(gamma) / deviation).reshape(shape) * (sums.size + np.abs(mean))
    error = np.abs(factor) * (sums.error + flushed(mean)) + lost
    error = rounded(error, sizes, np.zeros(sums.shape), OPERATIONS)
    return replace(result, error=np.where(factor == 0, 0.0, error))
