"""A net for the attacks of this folder."""

import keras
import numpy as np
import pytest


@pytest.fixture(scope="session")
def net():
    """A small float net on 8 x 8 images of three classes, each bright in a third of its own."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600).astype("int32")
    x = rng.uniform(0, 0.6, (600, 8, 8)).astype("float32")
    for row, label in enumerate(labels):
        x[row, :, 3 * label : 3 * label + 2] += 0.3
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8))
    hidden = keras.layers.Dense(32, "tanh")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    model.compile(
        keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(x, labels, epochs=8, verbose=0)
    return model, x[:60], labels[:60]
