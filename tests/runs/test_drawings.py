"""Figures of a trained net."""

from types import SimpleNamespace

import keras
import numpy as np

from brnn.data.dataset import Data
from brnn.data.pixels import to_pixels
from brnn.runs import drawings


def test_the_confusion_matrix_counts_what_the_net_gives_to_bytes_as_pixels():
    rng = np.random.default_rng(0)
    x, y = rng.integers(256, size=(2_700, 6), dtype="uint8"), rng.integers(3, size=2_700)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    model.layers[0].set_weights([rng.normal(size=(6, 3)), rng.normal(size=3)])
    data = Data((x, y), (x[:0], y[:0]), (x, y), classes=3, source="made")
    plan = SimpleNamespace(data=data, name="one")
    ((_, figure),) = drawings._confusion(plan, model)
    classes = model.predict(np.asarray(to_pixels(x)), verbose=0).argmax(axis=1)
    counts = np.array([[((y == a) & (classes == b)).sum() for b in range(3)] for a in range(3)])
    shares = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shares, counts / counts.sum(axis=1, keepdims=True))
