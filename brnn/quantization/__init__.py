"""The method, in Keras alone: discrete weights and activations for any Keras model."""
