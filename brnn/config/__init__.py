"""Validation of a configuration, without TensorFlow, Keras or MLflow."""
