"""Gradient shares, worked out by hand."""

import keras
import numpy as np
import pytest
from support.measured_nets import BINARY, BINARY_KERNELS, STE, activated

from brnn.measures.gradients import gradient_shares
from brnn.nets.task import Task
from brnn.quantization.layers import QuantActivation
from brnn.quantization.manager import QuantManager
from brnn.training import build


def test_share_is_that_of_the_inputs_of_each_activation():
    x = np.float32([[0.5, 3], [-1, 0.1], [2, 2], [1.5, -0.2]])  # of 8, 4 lie within 1
    shares = gradient_shares(QuantManager(activated(2, 2, 2), []), x)
    assert shares == {"gradient_share/sign_1": 4 / 8, "gradient_share/sign_2": 1}


def test_share_is_that_of_the_discretized_net():
    model = activated(2, 2)
    model.get_layer("dense_0").kernel.assign([[0.01, -0.01], [0.01, 0.01]])  # levels +-1
    x = np.float32([[0.8, 0.9]])  # 1.7 and 0.1
    assert gradient_shares(QuantManager(model, [BINARY_KERNELS]), x) == {
        "gradient_share/sign_1": 0.5
    }


def test_share_of_a_cell_is_that_of_all_its_steps():
    state = QuantActivation(BINARY, STE, 1, name="state")
    inputs = keras.Input((None, 1))
    cell = keras.layers.SimpleRNNCell(
        1, activation=state, kernel_initializer="ones", recurrent_initializer="ones"
    )
    manager = QuantManager(keras.Model(inputs, keras.layers.RNN(cell)(inputs)), [])
    x = np.float32(
        [[[0.5], [1.5], [-0.5], [-3]]]
    )  # with the states 0, 1, 1, 1 before: 0.5, 2.5, 0.5, -2
    assert gradient_shares(manager, x) == {"gradient_share/state": 2 / 4}
    np.testing.assert_array_equal(manager(x), [[-1]])


@pytest.mark.parametrize("unrolled", [False, True])  # Keras then calls the cell once less often
def test_share_of_an_lstm_is_that_of_both_activations_of_each_step(unrolled):
    state = QuantActivation(BINARY, STE, 1, name="state")
    inputs = keras.Input((2, 1))
    lstm = keras.layers.LSTM(1, activation=state, unit_forget_bias=False, unroll=unrolled)
    manager = QuantManager(keras.Model(inputs, lstm(inputs)), [])
    lstm.set_weights(
        [np.float32([[0, 0, 1, 0]]), np.zeros((1, 4), "float32"), np.zeros(4, "float32")]
    )  # the candidate
    x = np.float32(
        [[[3.0], [0.5]]]
    )  # candidates 3 and 0.5; cells 0.5 * 1 = 0.5 and 0.5 * 0.5 + 0.5 = 0.75
    assert gradient_shares(manager, x) == {"gradient_share/state": 3 / 4}


class Fixed(QuantActivation):
    """A quantized activation whose quantizer cannot be replaced."""

    def __setattr__(self, name, value):
        assert name != "quantizer" or not hasattr(self, name)
        super().__setattr__(name, value)


def test_layers_are_not_changed():
    inputs = keras.Input((None, 1))
    before = Fixed(BINARY, STE, 1, name="before")(inputs)
    cell = keras.layers.SimpleRNNCell(1, activation=Fixed(BINARY, STE, 2, name="state"))
    manager = QuantManager(keras.Model(inputs, keras.layers.RNN(cell)(before)), [])
    cell.set_weights([np.float32([[1]]), np.float32([[0.5]]), np.float32([0])])
    x = np.float32([[[0.5], [1.5], [-0.5]]])  # with half of 0, 1, 1 before: 1, 1.5, -0.5
    shares = gradient_shares(manager, x)
    assert shares == pytest.approx({"gradient_share/before": 2 / 3, "gradient_share/state": 2 / 3})


def test_net_without_quantized_activations_has_no_shares():
    inputs = keras.Input((2,))
    assert (
        gradient_shares(
            QuantManager(keras.Model(inputs, keras.layers.Dense(1)(inputs)), []), inputs
        )
        == {}
    )


def test_names_are_the_same_in_every_net_of_a_process(options):
    x = np.zeros((2, 4), "float32")
    names = []
    for estimator in ("ste", "chernoff"):
        keys = options(
            f"estimator={estimator}", "topology.width=3", "topology.depth=2", "compiled=false"
        )
        names.append(list(gradient_shares(build.program(keys, Task((4,), 2)).manager, x)))
    assert names[0] == names[1]
    assert len(names[0]) == 2
