"""Nets of Keras as nets of a property."""

import keras
import numpy as np

from brnn.proof import keras_reader
from brnn.proof.integer_net import IntegerNet


class KerasNet:
    """A net of Keras; see `brnn.proof.subjects.Subject`.

    Args:
        name: for messages.
        model: the net.
        divisor: of pixels, which gives the input of the model.
    """

    def __init__(self, name: str, model: keras.Model, divisor: float):
        self.name, self.model, self.divisor = name, model, divisor
        self.of_logits = keras_reader.of_logits(model)
        self.shape = tuple(model.inputs[0].shape[1:])

    def integers(self, largest: float, whole: bool) -> IntegerNet:
        """Return the net in whole numbers."""
        return keras_reader.read(self.of_logits, largest, whole, self.divisor)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of images."""
        return np.asarray(self.of_logits(self._input(images)))

    def outputs(self, images: np.ndarray) -> np.ndarray:
        """Return the outputs of the net."""
        return np.asarray(self.model(self._input(images)))

    def _input(self, images: np.ndarray) -> np.ndarray:
        """Return pixels as the package makes them of bytes."""
        return images.astype("float32") * np.float32(1 / self.divisor)
