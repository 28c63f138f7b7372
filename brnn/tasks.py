"""What a net has to do, as far as its data decide."""

from dataclasses import dataclass

import keras
import numpy as np


@dataclass(frozen=True)
class Task:
    """The inputs and outputs that a topology builds its net for.

    Where the state is `carried`, rows are pieces of longer streams: the net takes its state as further inputs and
    gives the next one as further outputs.
    """

    shape: tuple[int, ...]  # of one input
    classes: int  # width of the output
    tokens: bool = False  # inputs are whole numbers below `classes`, else real values
    per_step: bool = False  # an output for each step of a sequence, else one for the whole input
    carried: bool = False


def of(data) -> Task:
    """The task that a `Data` sets: one output per step where the labels have the axis of the steps.

    Raises `ValueError` for tokens that are bytes, since those are pixels.
    """
    x, y = data.train
    if data.tokens is not None and x.dtype == np.uint8:
        raise ValueError("tokens must be int32, got uint8, which stands for pixels")
    regression = np.issubdtype(y.dtype, np.floating)
    return Task(
        shape=x.shape[1:],
        classes=data.classes,
        tokens=np.issubdtype(x.dtype, np.integer) and x.dtype != np.uint8,
        per_step=y.ndim - regression == 2,
        carried=data.sequential,
    )


def pixels(x):
    """Bytes, as images are kept, as the values in [0, 1] that a net sees; other inputs as they are.

    They are multiplied by the float32 next to 1 / 255, which is what compilers make of a division, so that all agree.
    """
    return keras.ops.cast(x, "float32") * np.float32(1 / 255) if x.dtype == "uint8" else x
