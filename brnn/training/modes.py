"""Whether XLA compiles the steps of a program, or TensorFlow's graph mode runs them."""

from typing import Literal, NamedTuple

import keras
import tensorflow as tf

from brnn.nets.models import has_convolutions


class Mode(NamedTuple):
    """How steps are computed.

    Attributes:
        compiled: XLA compiles them as a whole.
        clustered: graph mode runs them, and XLA compiles what lies between the products.
    """

    compiled: bool
    clustered: bool


def mode(compiled: bool | Literal["auto"], model: keras.Model) -> Mode:
    """Return what a value of the key `compiled` means for a model."""
    if compiled != "auto":
        return Mode(compiled, False)
    in_xla = is_faster_in_xla(model)
    return Mode(in_xla, not in_xla)


def is_faster_in_xla(model: keras.Model) -> bool:
    """Return whether XLA trains a model faster than graph mode: not convolutions on a processor.

    There XLA does not use oneDNN; `experiments.convolution_speed` measures it.
    """
    return bool(tf.config.list_physical_devices("GPU")) or not has_convolutions(model)
