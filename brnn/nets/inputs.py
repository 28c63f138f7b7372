"""The inputs of a net, normalized as its task states."""

import keras

from brnn.contracts import Array
from brnn.nets.task import Task

NAME = "normalized_input"  # of the layer


def normalized(task: Task, x: Array) -> Array:
    """Return scale x + offset, of all inputs or of each channel, where the task has them, else x.

    Args:
        task: that of the net.
        x: real inputs of the net.
    """
    if not task.normalization:
        return x
    scale, offset = (list(values) for values in zip(*task.normalization, strict=True))
    return keras.layers.Rescaling(scale, offset, name=NAME)(x)
