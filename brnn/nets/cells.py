"""Recurrent cells for `keras.layers.RNN` that Keras does not have.

Each is an ordinary Keras layer. Its variables are named by their role: `kernel` meets the input,
`recurrent_kernel` the state, `bias` neither, `input_projection` only fits the input's width to the
state's. The gates of one role lie side by side in its variable, in the order z (update), r (reset),
h (candidate). Initializers are whatever Keras takes, and so are activations: a name, a function or a
layer. `kwargs` are those of `keras.layers.Layer`.
"""

import math
from itertools import pairwise

import keras
from keras import ops


class _Cell(keras.layers.Layer):
    """A state of `units` numbers per sequence, and one variable per role.

    A subclass names the gates that each role feeds: one letter, one block of `units` columns.
    """

    kernel_gates = recurrent_gates = bias_gates = "zrh"

    def __init__(
        self,
        units,
        *,
        activation="tanh",
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"units must be a whole number, 1 or more, got {units}")
        self.units = units
        self.state_size = self.output_size = units
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape):
        def variable(role, gates, initializer, *rows):
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

    def multiplier(self, recurrent_kernel):
        """What the state is multiplied by, where the variable has the values `recurrent_kernel`."""
        return recurrent_kernel

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype)]

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": keras.initializers.serialize(self.recurrent_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }


@keras.saving.register_keras_serializable(package="brnn")
class ClockworkCell(_Cell):
    """A simple recurrent cell cut into modules, each of which updates only every so many steps.

    At step t the modules whose period divides t become activation(W x + U h + b), the others keep
    their state. A module hears itself and the slower ones: the other blocks of U count as 0, whatever
    their value. The second state, (batch, 1), is t modulo the least common multiple of `periods`; a
    masked step stops this clock. (It is exact up to 2^24, in float16 to 2^11, in bfloat16 to 2^8.)

    periods: whole numbers from 1 up, increasing; `units` must be a multiple of how many there are.
    ValueError: other periods or units.
    Koutník, Greff, Gomez and Schmidhuber 2014, arXiv:1402.3511.
    """

    kernel_gates = recurrent_gates = bias_gates = "h"

    def __init__(self, units, periods, **kwargs):
        super().__init__(units, **kwargs)
        self.periods = tuple(periods)
        if not self.periods or any(slower <= faster for faster, slower in pairwise((0, *periods))):
            raise ValueError(
                f"periods must be whole numbers from 1 up, each above the one before, got {periods}"
            )
        if units % len(self.periods):
            raise ValueError(
                f"units must be a multiple of the number of periods, {len(periods)}, got {units}"
            )
        self.state_size = (units, 1)

    def call(self, inputs, states):
        h, time = states
        heard = ops.matmul(h, self.multiplier(self.recurrent_kernel))
        candidate = self.activation(ops.matmul(inputs, self.kernel) + heard + self.bias)
        h = ops.where(ops.equal(time % self._periods(h.dtype), 0), candidate, h)
        return h, [h, (time + 1) % math.lcm(*self.periods)]

    def multiplier(self, recurrent_kernel):
        periods = self._periods(recurrent_kernel.dtype)
        return ops.where(periods[:, None] >= periods[None, :], recurrent_kernel, 0.0)

    def activity(self):
        """The share of the steps at which each unit updates, and which units (rows) each (columns) hears, as 0 or 1."""
        heard = self.multiplier(ops.ones((self.units, self.units)))
        return ops.convert_to_numpy(1 / self._periods("float32")), ops.convert_to_numpy(heard)

    def _periods(self, dtype):
        """The period of each unit."""
        return ops.repeat(
            ops.convert_to_tensor(self.periods, dtype), self.units // len(self.periods)
        )

    def get_initial_state(self, batch_size=None):
        return [
            *super().get_initial_state(batch_size),
            ops.zeros((batch_size, 1), dtype=self.compute_dtype),
        ]

    def get_config(self):
        return {**super().get_config(), "periods": list(self.periods)}


class _GatedCell(_Cell):
    """A cell whose gates z and r pass through `recurrent_activation`, into [0, 1]."""

    def __init__(self, units, *, recurrent_activation="sigmoid", **kwargs):
        super().__init__(units, **kwargs)
        self.recurrent_activation = keras.activations.get(recurrent_activation)

    def get_config(self):
        return {
            **super().get_config(),
            "recurrent_activation": keras.activations.serialize(self.recurrent_activation),
        }


@keras.saving.register_keras_serializable(package="brnn")
class ScaledGRUCell(_GatedCell):
    """A GRU whose weights may stay in {-1, +1}, because powers of two scale what they add up to.

    With W x scaled by 2^input_shift, U h by 2^recurrent_shift and b by 2^bias_shift:
    z = sigmoid(W_z x + U_z h + b_z); r = sigmoid(W_r x + U_r h + b_r);
    h' = z∘h + (1 - z)∘activation(W_h x + U_h (r∘h) + b_h).

    n weights of ±1 on inputs of size 1 add up to about sqrt(n), so a shift near -log2(sqrt(n)) keeps a
    gate undecided. Shifts of 0 make it Keras' `GRUCell(reset_after=False)`.
    Clark, Prabhu and Whaley 2017 shift W x by -1 and U h by -3, and leave b alone.
    """

    def __init__(self, units, input_shift, recurrent_shift, bias_shift=0, **kwargs):
        super().__init__(units, **kwargs)
        self.input_shift = input_shift
        self.recurrent_shift = recurrent_shift
        self.bias_shift = bias_shift

    def call(self, inputs, states):
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

    def multiplier(self, recurrent_kernel):
        return 2.0**self.recurrent_shift * recurrent_kernel

    def get_config(self):
        return {
            **super().get_config(),
            "input_shift": self.input_shift,
            "recurrent_shift": self.recurrent_shift,
            "bias_shift": self.bias_shift,
        }


class _MutatedCell(_GatedCell):
    """A gated cell that also adds the input itself to vectors of the state's size.

    Where the input is not `units` wide, `input_projection` (input, units) brings it to that width.
    """

    def __init__(self, units, *, projection_initializer="glorot_uniform", **kwargs):
        super().__init__(units, **kwargs)
        self.projection_initializer = keras.initializers.get(projection_initializer)
        self.input_projection = None

    def build(self, input_shape):
        super().build(input_shape)
        if input_shape[-1] != self.units:
            self.input_projection = self.add_weight(
                (input_shape[-1], self.units), self.projection_initializer, name="input_projection"
            )

    def _fitted(self, inputs):
        """`inputs` at the width of the state."""
        return (
            inputs if self.input_projection is None else ops.matmul(inputs, self.input_projection)
        )

    def get_config(self):
        return {
            **super().get_config(),
            "projection_initializer": keras.initializers.serialize(self.projection_initializer),
        }


@keras.saving.register_keras_serializable(package="brnn")
class MUT1Cell(_MutatedCell):
    """h' = z∘activation(U_h (r∘h) + tanh(x) + b_h) + (1 - z)∘h.

    Its gates: z = sigmoid(W_z x + b_z); r = sigmoid(W_r x + U_r h + b_r).
    Jozefowicz, Zaremba and Sutskever 2015, "An Empirical Exploration of Recurrent Network Architectures".
    """

    kernel_gates = "zr"
    recurrent_gates = "rh"

    def call(self, inputs, states):
        h = states[0]
        x_z, x_r = ops.split(ops.matmul(inputs, self.kernel), 2, axis=-1)
        u_r, u_h = ops.split(self.recurrent_kernel, 2, axis=-1)
        b_z, b_r, b_h = ops.split(self.bias, 3)
        z = self.recurrent_activation(x_z + b_z)
        r = self.recurrent_activation(x_r + ops.matmul(h, u_r) + b_r)
        candidate = self.activation(ops.matmul(r * h, u_h) + ops.tanh(self._fitted(inputs)) + b_h)
        h = z * candidate + (1 - z) * h
        return h, [h]


@keras.saving.register_keras_serializable(package="brnn")
class MUT2Cell(_MutatedCell):
    """h' = z∘activation(U_h (r∘h) + W_h x + b_h) + (1 - z)∘h.

    Its gates: z = sigmoid(W_z x + U_z h + b_z); r = sigmoid(x + U_r h + b_r).
    Jozefowicz, Zaremba and Sutskever 2015, "An Empirical Exploration of Recurrent Network Architectures".
    """

    kernel_gates = "zh"

    def call(self, inputs, states):
        h = states[0]
        x_z, x_h = ops.split(ops.matmul(inputs, self.kernel), 2, axis=-1)
        u_z, u_r, u_h = ops.split(self.recurrent_kernel, 3, axis=-1)
        b_z, b_r, b_h = ops.split(self.bias, 3)
        z = self.recurrent_activation(x_z + ops.matmul(h, u_z) + b_z)
        r = self.recurrent_activation(self._fitted(inputs) + ops.matmul(h, u_r) + b_r)
        candidate = self.activation(ops.matmul(r * h, u_h) + x_h + b_h)
        h = z * candidate + (1 - z) * h
        return h, [h]


def state_matrices(cell, recurrent_kernel) -> list:
    """What a cell, of ours or of Keras', multiplies its state by: a square matrix for each gate."""
    whole = cell.multiplier(recurrent_kernel) if isinstance(cell, _Cell) else recurrent_kernel
    return ops.split(whole, whole.shape[1] // whole.shape[0], axis=1)


def _load_pyfunc(path):
    """What MLflow calls to load a net with these cells, after this module was imported."""
    return keras.models.load_model(path, safe_mode=True)
