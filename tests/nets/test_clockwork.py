"""The clockwork cell: modules change at their periods and read slower ones alone."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from support.cells import PERIODS, STEPS, UNITS, X, network

from brnn.nets.cells import ClockworkCell


def test_module_changes_only_at_its_period():
    states = network(ClockworkCell(UNITS, PERIODS))(X).numpy()
    changed = np.any(np.diff(states, axis=1, prepend=0) != 0, axis=0)  # (step, unit)
    for t in range(STEPS):
        assert changed[t].tolist() == [t % period == 0 for period in PERIODS for _ in range(4)]


def test_slower_modules_do_not_read_faster_ones():
    model = network(ClockworkCell(UNITS, PERIODS))
    recurrent = model.trainable_variables[1]
    before = model(X).numpy()
    values = recurrent.numpy()
    values[:4, 4:] = values[4:8, 8:] = 1e6  # from rows to columns; modules of 4 units
    recurrent.assign(values)
    np.testing.assert_array_equal(model(X), before)


def test_weights_from_faster_modules_have_no_gradient():
    model = network(ClockworkCell(UNITS, PERIODS))
    with tf.GradientTape() as tape:
        loss = ops.sum(model(X) ** 2)
    gradient = tape.gradient(loss, model.trainable_variables[1]).numpy()
    module = np.arange(UNITS) // 4
    np.testing.assert_array_equal(gradient != 0, module[:, None] >= module[None, :])


@pytest.mark.parametrize("periods", [[], [0, 1], [-1, 2], [1, 1], [4, 2]])
def test_periods_that_do_not_increase_from_one_are_refused(periods):
    with pytest.raises(
        ValueError, match="periods must be whole numbers, 1 or more, in increasing order"
    ) as error:
        ClockworkCell(12, periods)
    assert str(error.value).endswith(f"got {periods}")


def test_units_must_be_a_multiple_of_the_number_of_periods():
    with pytest.raises(
        ValueError, match=r"units must be a multiple of the number of periods, 3, got 10"
    ):
        ClockworkCell(10, [1, 2, 4])
