"""Nets of one cell with weights of one seed."""

import keras
import numpy as np

BATCH, STEPS, WIDTH, UNITS = 3, 20, 5, 12
PERIODS = [1, 3, 4]  # all three coincide every 12 steps only, so 20 steps see the clock wrap
X = np.random.default_rng(0).normal(size=(BATCH, STEPS, WIDTH)).astype("float32")


def network(cell, width=WIDTH, **options):
    """A model of the states of `cell` over a sequence, with standard normal weights of one seed."""
    inputs = keras.Input(batch_shape=(BATCH, None if options.get("stateful") else STEPS, width))
    model = keras.Model(inputs, keras.layers.RNN(cell, return_sequences=True, **options)(inputs))
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return model
