"""The task of a net: the inputs and outputs that its data call for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from brnn.errors import ConfigError

if TYPE_CHECKING:
    from brnn.data.dataset import Data


@dataclass(frozen=True)
class Task:
    """The inputs and outputs that a topology builds a net for.

    Attributes:
        shape: of one input, without the axis of the batch.
        classes: width of the output; in regression the number of values.
        tokens: whether inputs are integers below `classes`, else real values.
        per_step: whether each step of a sequence has an output, else each input has one.
        carried: whether rows are pieces of longer streams. The net then takes its state as further
            inputs and returns the next state as further outputs.
        normalization: scale and offset by which the net reads all inputs, or each channel; empty
            where it reads them as they are.
    """

    shape: tuple[int, ...]
    classes: int
    tokens: bool = False
    per_step: bool = False
    carried: bool = False
    normalization: tuple[tuple[float, float], ...] = ()


def task_of(data: "Data") -> Task:
    """Return the task of a data set.

    There is one output per step where the labels have an axis of steps.

    Raises:
        ConfigError: tokens are bytes, which stand for pixels.
    """
    x, y = data.train
    if data.tokens is not None and x.dtype == np.uint8:
        raise ConfigError("tokens must be int32, got uint8, which stands for pixels")
    regression = np.issubdtype(y.dtype, np.floating)
    return Task(
        shape=x.shape[1:],
        classes=data.classes,
        tokens=np.issubdtype(x.dtype, np.integer) and x.dtype != np.uint8,
        per_step=y.ndim - regression == 2,
        carried=data.sequential,
        normalization=data.normalization,
    )
