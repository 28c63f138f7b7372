"""How much of the gradient the estimators of a net pass."""

import keras
import numpy as np
from keras import ops

from brnn.measures.cost import entering
from brnn.nets.cells import ClockworkCell
from brnn.quantization.manager import QuantManager

UNGATED = (
    keras.layers.SimpleRNNCell,
    ClockworkCell,
)  # cells whose state is what their activation gives


def gradient_shares(manager: QuantManager, x: np.ndarray) -> dict[str, float]:
    """For each quantized activation, also in cells, the share of its inputs at which its estimator passes a gradient.

    The inputs are those of the discretized net on `x`; of a cell at all steps, from a state of zeros.
    """
    shares = {}
    for one, inputs in entering(manager, x):
        passed = one.estimator(inputs, ops.ones_like(inputs), one.fan_in) != 0
        shares.setdefault(one.name, []).append(float(ops.mean(ops.cast(passed, "float32"))))
    return {f"gradient_share/{name}": float(np.mean(values)) for name, values in shares.items()}
