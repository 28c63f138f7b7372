"""Small nets whose layers have names."""

import keras


def layered(normalized: bool = False) -> keras.Model:
    """Return a net of two dense layers, with batch normalization after the first if wanted."""
    inputs = keras.Input((6,))
    x = keras.layers.Dense(5, name="first")(inputs)
    if normalized:
        x = keras.layers.BatchNormalization(name="normalization")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="second")(keras.layers.ReLU()(x)))
