"""Progressions: which share of each layer is discretized at a step of the training.

Each function has the contract `brnn.contracts.Progression`. Layers are counted from the input.
"""

from typing import Literal

import numpy as np

from brnn.config.ranges import PositiveShare, ProperShare


def none(
    steps: np.ndarray, total: int, layers: int, part: Literal["weights", "activations"]
) -> np.ndarray:
    """Return 1: everything is discretized from the first step on."""
    return np.ones((len(steps), layers))


def layerwise(
    steps: np.ndarray,
    total: int,
    layers: int,
    part: Literal["weights", "activations"],
    *,
    end: PositiveShare,
) -> np.ndarray:
    """Return shares that rise from 0 to 1, layer after layer, the last one at `end`.

    A layer has end / layers of the training for itself. Weights and activations of a layer rise
    together.

    References:
        Smith and Islam 2026, arXiv:2601.22660 and arXiv:2606.27759 (StoMPP); here with a share that
        rises linearly, entries drawn anew at each step, and the estimator where they are discrete.
    """
    progress = steps[:, None] / (end * total)
    return np.clip(layers * progress - np.arange(layers), 0.0, 1.0)


def two_stages(
    steps: np.ndarray,
    total: int,
    layers: int,
    part: Literal["weights", "activations"],
    *,
    split: ProperShare,
) -> np.ndarray:
    """Return 1 for activations, and for weights 0 before `split` of the training and 1 after it.

    References:
        Martinez et al. 2020, arXiv:2003.11535; Liu et al. 2020, arXiv:2003.03488: binary
        activations first, binary weights after.
    """
    is_discrete = (steps >= split * total) | (part == "activations")
    return np.repeat(is_discrete[:, None], layers, axis=1).astype(float)
