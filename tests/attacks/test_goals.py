"""Goals and balls: losses by hand, and projections that stay inside."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from brnn.attacks import goals
from tests.support.attacking import linear, norms


@pytest.mark.parametrize("targeted", [False, True])
def test_logits_that_are_all_equal_have_the_slope_of_their_margin_as_that_of_dlr(targeted):
    net, labels = linear([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]), tf.constant([0])
    goal = goals.Goal(net, labels, targeted, "dlr")
    gradient, value, _ = goal.gradient(tf.zeros((1, 2)))
    assert value.numpy().tolist() == [0.0]
    assert np.isfinite(gradient).all()
    assert gradient.numpy()[0, 1] == 0


@pytest.mark.parametrize("loss", ["cross_entropy", "margin", "dlr"])
@pytest.mark.parametrize("targeted", [False, True])
def test_values_of_the_losses(loss, targeted):
    logits = tf.constant([[1.0, 3.0, 0.0, -1.0]])
    goal = goals.Goal(None, tf.constant([0]), targeted, loss, temperature=2.0)
    scaled = np.exp(np.float64([0.5, 1.5, 0.0, -0.5]))
    low = -0.5 if targeted else 0.0  # the mean of the third and fourth, or the third
    by_hand = {
        "cross_entropy": -np.log(scaled[0] / scaled.sum()),
        "margin": 2.0,
        "dlr": 2.0 / (3.0 - low),
    }[loss]
    np.testing.assert_allclose(goal.value(logits), [-by_hand if targeted else by_hand], rtol=1e-5)
    assert bool(goal.reached(logits)[0]) is not targeted


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["linf", "l2"]),
    st.floats(0.01, 1.0),
    st.lists(st.floats(-2, 2, width=32), min_size=6, max_size=6),
    st.integers(0, 1000),
)
def test_projection_lands_in_the_ball_and_in_the_range_of_pixels(norm, epsilon, change, seed):
    center = np.random.default_rng(seed).uniform(size=(1, 6)).astype("float32")
    ball = goals.Ball(tf.constant(center), epsilon, norm)
    projected = ball.project(center + np.float32([change])).numpy()
    assert norms(projected - center, norm) <= epsilon + 1e-5
    assert projected.min() >= 0
    assert projected.max() <= 1
    np.testing.assert_allclose(ball.project(projected), projected, atol=1e-6)
    assert norms(ball.random([seed, 0]).numpy() - center, norm) <= epsilon + 1e-5
