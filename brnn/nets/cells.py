"""Recurrent cells for `keras.layers.RNN` that Keras does not have.

A cell is an ordinary Keras layer with one variable per role: `kernel` is applied to the input,
`recurrent_kernel` to the state, `bias` is added, and `input_projection` brings the input to the
width of the state. The gates z (update), r (reset) and h (candidate) of a role lie side by side in
its variable, in this order. A new cell names the gates of each role and writes `call`.

Shapes: inputs (n, features); state (n, units); kernel (features, g units); recurrent_kernel
(units, g units); bias (g units,), g the number of gates of the role.

Activations and initializers are whatever Keras takes: a name, a function or a layer; `kwargs` are
those of `keras.layers.Layer`.
"""

import math
from itertools import pairwise
from typing import Any

import keras
import numpy as np
from keras import ops

from brnn.contracts import Array
from brnn.errors import ConfigError
from brnn.nets.base_cells import Cell, GatedCell, Shape


@keras.saving.register_keras_serializable(package="brnn")
class ClockworkCell(Cell):
    """A simple recurrent cell of modules that update at different periods.

    At step t the modules whose period divides t become activation(W x + U h + b); the others keep
    their state. A module reads its own state and that of slower modules: the other blocks of U
    count as 0, whatever their value. The second state, (n, 1), is t modulo the least common
    multiple of `periods`; a masked step stops this clock. (It is exact up to 2^24, in float16 up to
    2^11, in bfloat16 up to 2^8.)

    Args:
        units: size of the state, a multiple of the number of periods.
        periods: steps between two updates of each module, increasing from 1 or more.
        **kwargs: see the other cells.

    Raises:
        ConfigError: `periods` do not increase, or `units` is not a multiple of their number.

    References:
        Koutník, Greff, Gomez and Schmidhuber 2014, arXiv:1402.3511.
    """

    kernel_gates = recurrent_gates = bias_gates = "h"

    def __init__(self, units: int, periods: list[int], **kwargs: Any):
        super().__init__(units, **kwargs)
        self.periods = tuple(periods)
        if not self.periods or any(slower <= faster for faster, slower in pairwise((0, *periods))):
            raise ConfigError(
                f"periods must be whole numbers, 1 or more, in increasing order, got {periods}"
            )
        if units % len(self.periods):
            raise ConfigError(
                f"units must be a multiple of the number of periods, {len(periods)}, got {units}"
            )
        self.state_size = (units, 1)

    def call(self, inputs: Array, states: list[Array]) -> tuple[Array, list[Array]]:
        h, time = states
        u_h = ops.matmul(h, self.multiplier(self.recurrent_kernel))
        candidate = self.activation(ops.matmul(inputs, self.kernel) + u_h + self.bias)
        h = ops.where(ops.equal(time % self._periods(h.dtype), 0), candidate, h)
        return h, [h, (time + 1) % math.lcm(*self.periods)]

    def multiplier(self, recurrent_kernel: Array) -> Array:
        periods = self._periods(recurrent_kernel.dtype)
        return ops.where(periods[:, None] >= periods[None, :], recurrent_kernel, 0.0)

    def activity(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the share of steps at which each unit updates, and which states it reads.

        Returns:
            rates: (units,), in (0, 1].
            mask: (units, units), 1 where the unit of a column reads the state of the row, else 0.
        """
        mask = self.multiplier(ops.ones((self.units, self.units)))
        return ops.convert_to_numpy(1 / self._periods("float32")), ops.convert_to_numpy(mask)

    def _periods(self, dtype: str) -> Array:
        """Return the period of each unit."""
        return ops.repeat(
            ops.convert_to_tensor(self.periods, dtype), self.units // len(self.periods)
        )

    def get_initial_state(self, batch_size: int | None = None) -> list[Array]:
        return [
            *super().get_initial_state(batch_size),
            ops.zeros((batch_size, 1), dtype=self.compute_dtype),
        ]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "periods": list(self.periods)}


@keras.saving.register_keras_serializable(package="brnn")
class ScaledGRUCell(GatedCell):
    """A GRU for weights in {-1, +1}: powers of two scale the sums of its products.

    With W x scaled by 2^input_shift, U h by 2^recurrent_shift and b by 2^bias_shift:
    z = sigmoid(W_z x + U_z h + b_z); r = sigmoid(W_r x + U_r h + b_r);
    h' = z∘h + (1 - z)∘activation(W_h x + U_h (r∘h) + b_h).

    A sum of m weights of ±1 on inputs of size 1 has a size of about sqrt(m), so a shift near
    -log2(sqrt(m)) keeps a gate undecided. Shifts of 0 make it Keras' `GRUCell(reset_after=False)`.

    References:
        Clark, Prabhu and Whaley 2017, "A Contextual Discretization framework for compressing
        Recurrent Neural Networks": shifts of -1 and -3, and 0 for b.
    """

    def __init__(
        self, units: int, input_shift: int, recurrent_shift: int, bias_shift: int = 0, **kwargs: Any
    ):
        super().__init__(units, **kwargs)
        self.input_shift = input_shift
        self.recurrent_shift = recurrent_shift
        self.bias_shift = bias_shift

    def call(self, inputs: Array, states: list[Array]) -> tuple[Array, list[Array]]:
        h = states[0]
        u_zr, u_h = ops.split(self.multiplier(self.recurrent_kernel), [2 * self.units], axis=-1)
        x = (
            2.0**self.input_shift * ops.matmul(inputs, self.kernel)
            + 2.0**self.bias_shift * self.bias
        )
        x_zr, x_h = ops.split(x, [2 * self.units], axis=-1)
        zr = self.recurrent_activation(x_zr + ops.matmul(h, u_zr))
        z, r = ops.split(zr, 2, axis=-1)
        candidate = self.activation(x_h + ops.matmul(r * h, u_h))
        h = z * h + (1 - z) * candidate
        return h, [h]

    def multiplier(self, recurrent_kernel: Array) -> Array:
        return 2.0**self.recurrent_shift * recurrent_kernel

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_shift": self.input_shift,
            "recurrent_shift": self.recurrent_shift,
            "bias_shift": self.bias_shift,
        }


class _MutatedCell(GatedCell):
    """A gated cell that also adds the input itself to vectors of the width of the state.

    Where the input has another width, `input_projection` (features, units) brings it to that width.
    """

    def __init__(
        self, units: int, *, projection_initializer: Any = "glorot_uniform", **kwargs: Any
    ):
        super().__init__(units, **kwargs)
        self.projection_initializer = keras.initializers.get(projection_initializer)
        self.input_projection: Array | None = None

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if input_shape[-1] != self.units:
            self.input_projection = self.add_weight(
                (input_shape[-1], self.units), self.projection_initializer, name="input_projection"
            )

    def _projected(self, inputs: Array) -> Array:
        """Return `inputs` at the width of the state."""
        if self.input_projection is None:
            return inputs
        return ops.matmul(inputs, self.input_projection)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "projection_initializer": keras.initializers.serialize(self.projection_initializer),
        }


@keras.saving.register_keras_serializable(package="brnn")
class MUT1Cell(_MutatedCell):
    """h' = z∘activation(U_h (r∘h) + tanh(x) + b_h) + (1 - z)∘h.

    z = sigmoid(W_z x + b_z); r = sigmoid(W_r x + U_r h + b_r).

    References:
        Jozefowicz, Zaremba and Sutskever 2015, "An Empirical Exploration of Recurrent Network
        Architectures".
    """

    kernel_gates = "zr"
    recurrent_gates = "rh"

    def call(self, inputs: Array, states: list[Array]) -> tuple[Array, list[Array]]:
        h = states[0]
        x_z, x_r = ops.split(ops.matmul(inputs, self.kernel), 2, axis=-1)
        u_r, u_h = ops.split(self.recurrent_kernel, 2, axis=-1)
        b_z, b_r, b_h = ops.split(self.bias, 3)
        z = self.recurrent_activation(x_z + b_z)
        r = self.recurrent_activation(x_r + ops.matmul(h, u_r) + b_r)
        candidate = self.activation(
            ops.matmul(r * h, u_h) + ops.tanh(self._projected(inputs)) + b_h
        )
        h = z * candidate + (1 - z) * h
        return h, [h]


@keras.saving.register_keras_serializable(package="brnn")
class MUT2Cell(_MutatedCell):
    """h' = z∘activation(U_h (r∘h) + W_h x + b_h) + (1 - z)∘h.

    z = sigmoid(W_z x + U_z h + b_z); r = sigmoid(x + U_r h + b_r).

    References:
        Jozefowicz, Zaremba and Sutskever 2015, "An Empirical Exploration of Recurrent Network
        Architectures".
    """

    kernel_gates = "zh"

    def call(self, inputs: Array, states: list[Array]) -> tuple[Array, list[Array]]:
        h = states[0]
        x_z, x_h = ops.split(ops.matmul(inputs, self.kernel), 2, axis=-1)
        u_z, u_r, u_h = ops.split(self.recurrent_kernel, 3, axis=-1)
        b_z, b_r, b_h = ops.split(self.bias, 3)
        z = self.recurrent_activation(x_z + ops.matmul(h, u_z) + b_z)
        r = self.recurrent_activation(self._projected(inputs) + ops.matmul(h, u_r) + b_r)
        candidate = self.activation(ops.matmul(r * h, u_h) + x_h + b_h)
        h = z * candidate + (1 - z) * h
        return h, [h]


def cells_of(layer: keras.layers.RNN) -> list[keras.layers.Layer]:
    """Return the cells of a recurrent layer: one, or those that Keras stacks."""
    cell = layer.cell
    return list(cell.cells) if isinstance(cell, keras.layers.StackedRNNCells) else [cell]


def state_matrices(cell: keras.layers.Layer, recurrent_kernel: Array) -> list[Array]:
    """Return the matrix (units, units) that multiplies the state in each gate.

    Args:
        cell: one of this module or of Keras.
        recurrent_kernel: the values of its variable, (units, g units) for g gates.
    """
    matrix = cell.multiplier(recurrent_kernel) if isinstance(cell, Cell) else recurrent_kernel
    return ops.split(matrix, matrix.shape[1] // matrix.shape[0], axis=1)


def _load_pyfunc(path: str) -> keras.Model:
    """Load a net with these cells; MLflow calls this after it has imported the module."""
    return keras.models.load_model(path, safe_mode=True)
