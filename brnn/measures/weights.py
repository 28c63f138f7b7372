"""Measures of weights: sparsity, flips, saturation and size."""

import math
from dataclasses import dataclass

import keras
import numpy as np

from brnn.nets.cells import state_matrices
from brnn.quantization.manager import QuantManager

FLOAT_BITS = 32


@dataclass(frozen=True)
class Weights:
    """One variable: its path, its latent values, what the net computes with, and its rule (None: real)."""

    path: str
    latent: np.ndarray
    levels: np.ndarray
    rule: object | None


def snapshot(manager: QuantManager) -> list[Weights]:
    """The present weights of a net, variable by variable."""
    variables = manager.model.trainable_variables
    return [
        Weights(v.path, np.array(v.numpy()), np.array(level), rule)
        for v, level, rule in zip(variables, manager.levels(), manager.rules, strict=True)
    ]


def weight_metrics(now: list[Weights], before: list[Weights]) -> dict[str, float]:
    """Shares in [0, 1], for each variable and in all.

    `sparsity`: weights that are exactly 0, of all trainable weights. Of the discretized ones: `positive`:
    levels above 0; `flip_rate`: levels that differ from `before`; `at_bound`: latent weights at their bound.
    """
    counts = {}
    for new, old in zip(now, before, strict=True):
        counts[new.path] = {"sparsity": new.levels == 0}
        if new.rule is not None:
            counts[new.path] |= {"positive": new.levels > 0, "flip_rate": new.levels != old.levels}
        if new.rule is not None and new.rule.bound is not None:
            counts[new.path] |= {"at_bound": np.abs(new.latent) >= new.rule.bound}
    metrics = {
        f"{name}/{path}": float(c.mean()) for path, one in counts.items() for name, c in one.items()
    }
    for name in ("sparsity", "positive", "flip_rate", "at_bound"):
        flags = [one[name].ravel() for one in counts.values() if name in one]
        metrics[f"{name}/all"] = float(np.concatenate(flags).mean()) if flags else 0.0
    return metrics


def packed_size(weights: list[Weights]) -> dict[str, float]:
    """Bits per weight, and bytes of the weights packed and in float32."""
    bits = sum(bits_per_weight(one) * one.levels.size for one in weights)
    number = sum(one.levels.size for one in weights)
    return {
        "size/parameters": number,
        "size/bits_per_weight": bits / number,
        "size/packed_bytes": math.ceil(bits / 8),
        "size/float32_bytes": number * FLOAT_BITS // 8,
    }


def bits_per_weight(one: Weights) -> float:
    """Bits that a weight takes: real ones 32, discretized ones a code for their distinct levels.

    A matrix of low rank r takes the 32 bits of its r (rows + columns) factors, where that is less.
    """
    if one.rule is None:
        return FLOAT_BITS
    bits = min(FLOAT_BITS, max(1, math.ceil(math.log2(len(np.unique(one.levels))))))
    if bits <= FLOAT_BITS // 2 or one.levels.ndim < 2:
        return bits
    matrix = one.levels.reshape(-1, one.levels.shape[-1])
    return min(bits, FLOAT_BITS * np.linalg.matrix_rank(matrix) * sum(matrix.shape) / matrix.size)


def spectral_radii(manager: QuantManager) -> dict[str, float]:
    """For each discretized recurrent kernel, the largest spectral radius of its gates' matrices.

    Where it is above 1, a state grows that no activation bounds.
    """
    levels = {
        v.path: level
        for v, level in zip(manager.model.trainable_variables, manager.levels(), strict=True)
    }
    cells = [layer.cell for layer in manager.model.layers if isinstance(layer, keras.layers.RNN)]
    return {
        cell.recurrent_kernel.path: max(
            float(np.abs(np.linalg.eigvals(np.asarray(matrix))).max())
            for matrix in state_matrices(cell, levels[cell.recurrent_kernel.path])
        )
        for cell in cells
    }


def layer_rows(manager: QuantManager) -> list[dict]:
    """One row per variable: what is discretized, by which quantizer, and the bits that a weight takes."""
    return [
        {
            "path": one.path,
            "shape": one.levels.shape,
            "role": one.path.rpartition("/")[2],
            "quantizer": "real" if one.rule is None else _named(one.rule.quantizer),
            "parameters": one.levels.size,
            "bits_per_weight": bits_per_weight(one),
        }
        for one in snapshot(manager)
    ]


def _named(quantizer) -> str:
    keys = getattr(quantizer, "keywords", {})
    name = getattr(quantizer, "func", quantizer).__name__
    return name + (
        f"({', '.join(f'{key}={value:g}' for key, value in keys.items())})" if keys else ""
    )
