"""The method, in Keras alone: quantizers, estimators, rules, and the manager that applies them."""
