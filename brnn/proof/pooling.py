"""Pooling of tensors (1, c, h, w), as operators of ONNX."""

import math
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array, diags_array

from brnn.errors import DataError
from brnn.proof.flows import Flow, Pieces, Sums
from brnn.proof.numbers import UNIT
from brnn.proof.operators import arithmetic, convolution, units
from brnn.proof.steps import rising
from brnn.proof.windows import Attributes, windows_of


def max_pool(name: str, attributes: Attributes, flow: Flow) -> Flow:
    """Return the maximum over windows of a tensor (1, c, h, w).

    Raises:
        DataError: a window lies outside of the tensor, or its values fall or differ.
    """
    shape = _plane(name, flow)
    positions, inside = windows_of(name, attributes, shape, attributes["kernel_shape"])
    if not inside.any(axis=-1).all():
        raise DataError(f"{name}: a window lies outside of the input")
    first = np.take_along_axis(positions, inside.argmax(-1)[..., None], -1)
    positions = np.where(inside, positions, first)
    area = shape[2] * shape[3]
    elements = np.arange(shape[1])[None, :, None, None, None] * area + positions[None, None]
    if not isinstance(flow, Pieces):
        return _pooled(name, units(name, flow), elements)
    flow = rising(flow)
    rises = (np.diff(np.asarray(flow.values, "float64"), axis=-1) >= 0).all()
    values = flow.values.reshape(-1, flow.values.shape[-1])[elements]
    if not rises or flow.sums.windows.shape[-1] > 1 or (values != values[..., :1, :]).any():
        raise DataError(f"{name}: MaxPool of values that fall, or differ in a window")
    cuts, at, rise, fall = (v.reshape(-1, v.shape[-1])[elements] for v in flow.thresholds)
    sums = _with_rows(flow.sums.arranged(elements[..., 0]), flow.sums, elements)
    return Pieces(sums, cuts, at, rise, fall, values[..., 0, :])


def _pooled(name: str, sums: Sums, elements: np.ndarray) -> Sums:
    """Return the maximum over flat positions of a tensor (..., taps)."""
    scale = sums.scale.ravel()[elements]
    if (scale < 0).any() or (scale != scale[..., :1]).any():
        sums = _of_scale_one(name, sums)
    first = sums.arranged(elements[..., 0])
    shift = sums.shift.ravel()[elements]
    flat = first.scale == 0  # constants
    first = replace(first, shift=np.where(flat, shift.max(axis=-1), first.shift))
    factor = np.where(flat, np.inf, first.scale)[..., None]
    difference = shift - first.shift[..., None]
    offsets = difference / factor
    inexact = ~flat[..., None] & (offsets * first.scale[..., None] != difference)
    pooled = _with_rows(first, sums, elements)
    taps = sums.windows.shape[-1]
    offsets = pooled.offsets + np.repeat(offsets, taps, axis=-1)
    error, size = (v.ravel()[elements].max(axis=-1) for v in (sums.error, sums.size))
    step = sums.step.ravel()[elements].min(axis=-1)
    error = error + np.where(inexact.any(axis=-1), UNIT * size, 0.0)
    return replace(pooled, offsets=offsets, error=error, size=size, step=step, number=object())


def _with_rows(first: Sums, sums: Sums, elements: np.ndarray) -> Sums:
    """Return a tensor with the rows of the elements of another one at flat positions."""
    shape = (*first.shape, elements.shape[-1] * sums.windows.shape[-1])
    rows = (v.reshape(-1, v.shape[-1])[elements] for v in (sums.windows, sums.offsets))
    windows, offsets = (v.reshape(shape) for v in rows)
    return replace(first, windows=windows, offsets=offsets)


def _of_scale_one(name: str, sums: Sums) -> Sums:
    """Return the same tensor with the scales as a part of its rows."""
    if sums.windows.shape[-1] > 1:
        raise DataError(f"{name}: MaxPool over different scales is not supported")
    rows = csr_array(sums.weights[sums.windows.ravel()])
    sizes = np.unique(np.abs(sums.scale))
    scale, unit = (np.sign(sums.scale), sizes[-1]) if len(sizes) == 1 else (sums.scale, 1.0)
    whole = sums.whole and len(sizes) == 1
    factors = scale.ravel().astype("int64" if whole else "float64")
    weights = csr_array(diags_array(factors, dtype=factors.dtype) @ rows)
    windows = np.arange(factors.size).reshape(*sums.shape, 1)
    scales = np.full(sums.shape, unit)
    return replace(sums, weights=weights, whole=whole, windows=windows, scale=scales)


def average_pool(name: str, attributes: Attributes, flow: Flow) -> Flow:
    """Return the mean over windows of a tensor (1, c, h, w)."""
    shape = _plane(name, flow)
    kernel = tuple(attributes["kernel_shape"])
    _, inside = windows_of(name, attributes, shape, kernel)
    ones = np.ones((shape[1], 1, *kernel))
    total = convolution(name, {**attributes, "group": shape[1]}, flow, ones)
    count = inside.sum(axis=-1)
    if attributes.get("count_include_pad", 0):
        count = np.full_like(count, math.prod(kernel))
    return arithmetic(name, "Div", total, count.astype("float64"))


def _plane(name: str, flow: Flow) -> tuple[int, ...]:
    if len(flow.shape) != 4:
        raise DataError(f"{name}: pooling of shape {flow.shape}: only two-dimensional ones")
    return flow.shape
