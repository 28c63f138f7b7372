"""The common part of the recurrent cells: variables by role, initial state, configuration."""

from typing import Any

import keras
from keras import ops

from brnn.contracts import Array
from brnn.errors import ConfigError

Shape = tuple[int | None, ...]


class Cell(keras.layers.Layer):
    """A cell with a state of `units` values and one variable per role.

    A subclass names the gates of each role: one letter is one block of `units` columns.
    """

    kernel_gates = recurrent_gates = bias_gates = "zrh"

    def __init__(
        self,
        units: int,
        *,
        activation: Any = "tanh",
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if units < 1:
            raise ConfigError(f"units must be a whole number, 1 or more, got {units}")
        self.units = units
        self.state_size: int | tuple[int, ...] = units
        self.output_size = units
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: Shape) -> None:
        def variable(role: str, gates: str, initializer: Any, *rows: int | None) -> Array:
            return self.add_weight((*rows, self.units * len(gates)), initializer, name=role)

        self.kernel = variable(
            "kernel", self.kernel_gates, self.kernel_initializer, input_shape[-1]
        )
        self.recurrent_kernel = variable(
            "recurrent_kernel", self.recurrent_gates, self.recurrent_initializer, self.units
        )
        self.bias = variable("bias", self.bias_gates, self.bias_initializer)
        if isinstance(self.activation, keras.layers.Layer) and not self.activation.built:
            self.activation.build((None, self.units))

    def multiplier(self, recurrent_kernel: Array) -> Array:
        """Return the matrix that multiplies the state, given the values of `recurrent_kernel`."""
        return recurrent_kernel

    def get_initial_state(self, batch_size: int | None = None) -> list[Array]:
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": keras.initializers.serialize(self.recurrent_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }


class GatedCell(Cell):
    """A cell whose gates z and r pass through `recurrent_activation`, with values in [0, 1]."""

    def __init__(self, units: int, *, recurrent_activation: Any = "sigmoid", **kwargs: Any):
        super().__init__(units, **kwargs)
        self.recurrent_activation = keras.activations.get(recurrent_activation)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "recurrent_activation": keras.activations.serialize(self.recurrent_activation),
        }
