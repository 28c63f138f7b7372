"""Figures of weights: every value is counted, bounds are marked, levels are drawn as images."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from brnn.figures.weights import first_layer, latent_by_epoch, latent_histograms

pytestmark = pytest.mark.filterwarnings("error")


def counts(axes) -> np.ndarray:
    return axes.patches[0].get_data().values


def test_latent_values_are_counted_between_marked_bounds():
    weights = {"dense/kernel": np.float32([[-0.1, -0.1, 0.1], [0.0, 0.06, 0.1]])}
    figure = latent_histograms(weights, {"dense/kernel": 0.1})
    (axes,) = figure.axes
    assert axes.get_title() == "dense/kernel\n6 values, 0.667 at bound"
    assert axes.get_yscale() == "log"
    assert axes.get_xlim() == pytest.approx((-0.11, 0.11))
    assert [line.get_xdata()[0] for line in axes.lines] == [-0.1, 0.1]
    edges = axes.patches[0].get_data().edges
    middles = (edges[:-1] + edges[1:]) / 2
    filled = counts(axes) > 0
    np.testing.assert_allclose(middles[filled], [-0.1, 0.0, 0.06, 0.1], atol=1e-6)
    np.testing.assert_array_equal(counts(axes)[filled], [2, 1, 1, 2])
    assert figure.get_supxlabel() == "latent value"


def test_without_a_bound_the_values_set_the_range():
    (axes,) = latent_histograms({"w": np.float32([-3.0, 1.0])}, {"w": None}).axes
    assert axes.get_xlim() == pytest.approx((-3.3, 3.3))
    assert len(axes.lines) == 0
    assert axes.get_title() == "w\n2 values"


@settings(deadline=None, max_examples=20)
@example(np.float32([np.nan, np.inf, -np.inf, 1.0, 0.0]), None)
@example(np.float32([np.nan]), 1.0)
@given(
    arrays.arrays("float32", st.integers(0, 30), elements=st.floats(width=32)),
    st.sampled_from([None, 0.125, 1.0]),
)
def test_every_finite_value_is_counted(values, bound):
    (axes,) = latent_histograms({"w": values}, {"w": bound}).axes
    assert counts(axes).sum() == np.isfinite(values).sum()


@pytest.mark.parametrize(
    ("variables", "panels"), [(0, 0), (1, 1), (5, 5), (12, 12), (13, 12), (30, 12)]
)
def test_at_most_twelve_variables_are_shown_and_the_others_are_mentioned(variables, panels):
    weights = {f"dense_{i}/kernel": np.linspace(-1, 1, 9) for i in range(variables)}
    figure = latent_histograms(weights, dict.fromkeys(weights, 1.0))
    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == list(weights)[:panels]
    left_out = variables - panels
    note = (
        f"latent value  ({left_out} more variables are not shown)" if left_out else "latent value"
    )
    assert figure.get_supxlabel() == note


def test_a_long_path_keeps_its_end():
    path = "network/" * 8 + "recurrent_kernel"
    (axes,) = latent_histograms({path: np.zeros(3)}, {path: 1.0}).axes
    title = axes.get_title().split("\n")[0]
    assert len(title) == 36
    assert title.startswith("…")
    assert title.endswith("network/recurrent_kernel")


def test_quantiles_of_latent_values_are_drawn_by_epoch_between_threshold_and_bounds():
    quantiles = {"dense/kernel": [(-0.1, 0.0, 0.1), (-0.5, 0.02, 0.4)], "out/kernel": [(-1, 0, 1)]}
    bounded, free = latent_by_epoch(quantiles, {"dense/kernel": 0.5, "out/kernel": None}).axes
    median, threshold, *bounds = bounded.lines
    np.testing.assert_array_equal(median.get_xydata(), [[1, 0.0], [2, 0.02]])
    assert set(threshold.get_ydata()) == {0.0}
    assert [line.get_ydata()[0] for line in bounds] == [-0.5, 0.5]
    band = {tuple(point) for point in bounded.collections[0].get_paths()[0].vertices.tolist()}
    assert band == {(1, -0.1), (2, -0.5), (1, 0.1), (2, 0.4)}
    assert len(free.lines) == 2


def test_variables_by_epoch_that_have_no_room_are_counted():
    quantiles = {f"layer_{i}/kernel": [(-1, 0, 1)] for i in range(14)}
    figure = latent_by_epoch(quantiles, dict.fromkeys(quantiles))
    assert len(figure.axes) == 12
    assert figure.get_supxlabel().endswith("bound)  (2 more variables are not shown)")


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1)])
def test_units_of_a_dense_layer_are_drawn_in_the_shape_of_the_image(shape):
    levels = np.float32([[1, -1], [1, 1], [1, -1], [-1, 1], [-1, 1], [-1, 1]])
    (axes,) = first_layer(levels, shape, "net").axes
    drawn = [image.get_array().tolist() for image in axes.images]
    assert drawn == [[[1, 1, 1], [-1, -1, -1]], [[-1, 1, -1], [1, 1, 1]]]


def test_filters_of_three_channels_are_colours():
    levels = np.ones((3, 3, 3, 50), "float32")
    levels[..., 0, 0] = -1
    figure = first_layer(levels, (30, 30, 3), "net")
    (axes,) = figure.axes
    assert len(axes.images) == 40
    np.testing.assert_array_equal(axes.images[0].get_array(), np.tile([0.0, 1.0, 1.0], (3, 3, 1)))
    assert figure.get_suptitle() == "net, 40 of 50 units"


@pytest.mark.parametrize("shape", [(6,), (7, 5), (3, 2, 2)])
def test_a_first_layer_on_other_inputs_is_no_image(shape):
    assert first_layer(np.ones((6, 2), "float32"), shape, "net") is None
