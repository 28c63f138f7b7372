"""What a net has to do, as far as its data decide."""

from dataclasses import dataclass

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


def task_of(data) -> Task:
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
