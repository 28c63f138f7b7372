"""What a configuration may say, checked without importing TensorFlow, Keras or MLflow."""
