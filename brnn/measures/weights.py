"""Measures of weights: their levels, their changes, and the memory that they take."""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from brnn.contracts import Quantizer
from brnn.nets.cells import cells_of, state_matrices
from brnn.quantization.manager import QuantManager, Rule

FLOAT_BITS = 32
QUANTILES = {"latent_low": 0.05, "latent_median": 0.5, "latent_high": 0.95}
MAGNITUDES = np.geomspace(1e-12, 1e12, 1001, dtype="float32")
PROBE = np.concatenate([np.linspace(-2.1, 2.1, 4001, dtype="float32"), MAGNITUDES, -MAGNITUDES])


@dataclass(frozen=True)
class Weights:
    """The values of one variable.

    Attributes:
        path: of the variable in Keras.
        latent: values that training changes.
        levels: values that the net computes with, of the same shape.
        rule: of the manager; None where the variable is real-valued.
    """

    path: str
    latent: np.ndarray
    levels: np.ndarray
    rule: Rule | None


def snapshot(manager: QuantManager) -> list[Weights]:
    """Return copies of the weights of a net, in the order of `model.trainable_variables`.

    Their shapes are `manager.shapes`.
    """
    variables = manager.model.trainable_variables
    rows = zip(variables, manager.levels(), manager.rules, manager.shapes, strict=True)
    return [
        Weights(v.path, np.array(v.numpy()).reshape(shape), np.array(level).reshape(shape), rule)
        for v, level, rule, shape in rows
    ]


def weight_metrics(now: list[Weights], before: list[Weights]) -> dict[str, float]:
    """Return shares of the weights of each variable and of all variables.

    Args:
        now: weights at the end of an epoch.
        before: weights of the same net at its start.

    Metrics:
        sparsity/all (share): trainable weights that are exactly 0, real-valued ones included
        variables/sparsity/{path} (share): weights of one variable that are exactly 0; missing where
            its quantizer has fixed levels without 0
        positive/all (share): levels above 0 of all discretized weights; 0 where there are none
        variables/positive/{path} (share): levels above 0 of one variable
        flip_rate/all (share): levels of all discretized weights that the epoch changed, as `flips`
            counts them; 0 where there are none
        variables/flip_rate/{path} (share): levels of one variable that the epoch changed
        at_bound/all (share): latent weights at or beyond the bound of their rule, of all that have
            one; 0 where there are none
        variables/at_bound/{path} (share): latent weights of one variable at or beyond its bound
        variables/latent_low/{path} (value): 5 % quantile of the latent weights of one variable
        variables/latent_median/{path} (value): median of the latent weights of one variable
        variables/latent_high/{path} (value): 95 % quantile of the latent weights of one variable
    """
    flags: dict[str, dict[str, np.ndarray]] = {}
    for new, old in zip(now, before, strict=True):
        flags[new.path] = {"sparsity": new.levels == 0}
        if new.rule is not None:
            changed = flips(old.levels, new.levels, new.rule)
            flags[new.path] |= {"positive": new.levels > 0, "flip_rate": changed}
        if new.rule is not None and new.rule.bound is not None:
            flags[new.path] |= {"at_bound": np.abs(new.latent) >= new.rule.bound}
    dense = {new.path for new in now if new.rule is not None and _is_dense(new.rule.quantizer)}
    metrics = {
        f"variables/{name}/{path}": float(flag.mean())
        for path, named in flags.items()
        for name, flag in named.items()
        if not (name == "sparsity" and path in dense)
    }
    for new in now:
        if new.rule is not None:
            values = np.quantile(new.latent, list(QUANTILES.values()))
            named = zip(QUANTILES, values, strict=True)
            metrics |= {f"variables/{name}/{new.path}": float(value) for name, value in named}
    for name in ("sparsity", "positive", "flip_rate", "at_bound"):
        of_all = [named[name].ravel() for named in flags.values() if name in named]
        metrics[f"{name}/all"] = float(np.concatenate(of_all).mean()) if of_all else 0.0
    return metrics


def flips(before: np.ndarray, after: np.ndarray, rule: Rule) -> np.ndarray:
    """Return which levels, with the channels on the last axis, are others than before.

    Levels that depend on the weights, or are learned, have a scale. Where those of each channel
    above 0 are equal, and so are those below, another sign or 0 is a flip; another scale is none.
    """
    if _has_scale(rule) and _are_signs(before) and _are_signs(after):
        return np.sign(before) != np.sign(after)
    return before != after


def _has_scale(rule: Rule) -> bool:
    """Return whether levels are learned, or most change where all weights are doubled."""
    levels, of_twice = (np.unique(np.asarray(rule.quantizer(f * PROBE, None))) for f in (1, 2))
    return bool(rule.learned) or bool(np.isin(levels, of_twice).mean() < 0.5)


def _are_signs(levels: np.ndarray) -> bool:
    channels = levels.shape[-1] if levels.ndim > 1 else 1
    matrix = levels.reshape(-1, channels)
    return all(
        np.all((side <= 0) | (side == side.max(axis=0, initial=0))) for side in (matrix, -matrix)
    )


def packed_size(weights: list[Weights]) -> dict[str, float]:
    """Return the memory of the trainable weights.

    Metrics:
        size/parameters (count): trainable weights
        size/bits_per_weight (bits): mean over all weights of `bits_per_weight`
        size/float32_bytes (bytes): all weights at 32 bits
    """
    bits = sum(bits_per_weight(variable) * variable.levels.size for variable in weights)
    count = sum(variable.levels.size for variable in weights)
    return {
        "size/parameters": count,
        "size/bits_per_weight": bits / count,
        "size/packed_bytes": math.ceil(bits / 8),
        "size/float32_bytes": count * FLOAT_BITS // 8,
    }


def bits_per_weight(weights: Weights) -> float:
    """Return the bits that a weight of a variable takes.

    A real-valued weight takes 32. A discretized one takes a code of ceil(log2 of the number of
    distinct levels) bits, if its quantizer has fixed levels. If the levels depend on the weights,
    the smallest of these counts:

        code with its code book    ceil(log2 L) + 32 L / size, with L distinct levels
        signs with scales          1, or 2 where a level is 0, + 32 channels / size, where the
                                   levels of each channel have one size
        factors                    32 r (rows + columns) / size, of a matrix of rank r
        no code                    32
    """
    levels = weights.levels
    if weights.rule is None:
        return FLOAT_BITS
    distinct = np.unique(levels)
    code = max(1, math.ceil(math.log2(len(distinct))))
    fixed = _fixed_levels(weights.rule.quantizer)
    if not weights.rule.learned and np.isin(distinct, fixed).all():
        return code
    bits = [FLOAT_BITS, code + FLOAT_BITS * len(distinct) / levels.size]
    if levels.ndim > 1:
        matrix = levels.reshape(-1, levels.shape[-1])
        if (signs := without_scales(levels)) is not None:
            sign_bits = 1 if np.all(signs) else 2
            bits.append(sign_bits + FLOAT_BITS * levels.shape[-1] / levels.size)
        rank = np.linalg.matrix_rank(matrix)
        bits.append(FLOAT_BITS * rank * sum(matrix.shape) / levels.size)
    return float(min(bits))


def without_scales(levels: np.ndarray) -> np.ndarray | None:
    """Return levels as -1, 0 and 1, where all of a channel, on the last axis, have one size.

    Returns:
        The signs; None where the levels of a channel have several sizes.
    """
    sizes = np.abs(levels)
    scales = sizes.reshape(-1, levels.shape[-1]).max(axis=0)
    return np.sign(levels) if np.all((sizes == 0) | (sizes == scales)) else None


def _is_dense(quantizer: Quantizer) -> bool:
    """Return whether no weight of a quantizer can be 0."""
    levels = _fixed_levels(quantizer)
    return levels.size > 0 and 0 not in levels


def _fixed_levels(quantizer: Quantizer) -> np.ndarray:
    """Return the levels of a quantizer that do not depend on the weights; none if all do.

    Found by quantizing a wide grid: fixed levels map it to few values.
    """
    levels = np.unique(np.asarray(quantizer(PROBE, None)))
    return levels if len(levels) < len(PROBE) / 2 else levels[:0]


def spectral_radii(manager: QuantManager) -> dict[str, float]:
    """Return the largest spectral radius of the state matrices of each recurrent layer.

    Where it is above 1, a state grows that no activation bounds.

    Returns:
        The radius of each recurrent kernel, by the path of its variable.
    """
    trainable = zip(manager.model.trainable_variables, manager.levels(), strict=True)
    levels = {variable.path: level for variable, level in trainable}
    recurrent = [layer for layer in manager.model.layers if isinstance(layer, keras.layers.RNN)]
    kernels = [  # a cell of a user may have none
        (cell, cell.recurrent_kernel)
        for layer in recurrent
        for cell in cells_of(layer)
        if hasattr(cell, "recurrent_kernel")
    ]
    return {
        kernel.path: max(
            float(np.abs(np.linalg.eigvals(np.asarray(matrix))).max())
            for matrix in state_matrices(cell, levels.get(kernel.path, kernel))
        )
        for cell, kernel in kernels
    }


def spectral_metrics(manager: QuantManager) -> dict[str, float]:
    """Return `spectral_radii` as metrics.

    Metrics:
        spectral_radius/{path} (factor): largest absolute eigenvalue of the discretized matrices of
            a recurrent kernel, one matrix per gate
    """
    return {f"spectral_radius/{path}": radius for path, radius in spectral_radii(manager).items()}


def layer_rows(manager: QuantManager) -> list[dict[str, Any]]:
    """Return a row for each trainable variable of a net.

    Returns:
        Mappings with the keys path, shape, role, quantizer (`real` where there is none),
        parameters and bits_per_weight.
    """
    return [
        {
            "path": weights.path,
            "shape": weights.levels.shape,
            "role": weights.path.rpartition("/")[2],
            "quantizer": "real" if weights.rule is None else _label(weights.rule.quantizer),
            "parameters": weights.levels.size,
            "bits_per_weight": bits_per_weight(weights),
        }
        for weights in snapshot(manager)
    ]


def _label(quantizer: Any) -> str:
    """Return the name of a quantizer and its keys, such as `ternary(scale=0.5)`."""
    name = getattr(quantizer, "func", quantizer).__name__
    keys = getattr(quantizer, "keywords", {}).items()
    shown = [
        f"{key}={value if isinstance(value, str) else format(value, 'g')}" for key, value in keys
    ]
    return f"{name}({', '.join(shown)})" if shown else name
