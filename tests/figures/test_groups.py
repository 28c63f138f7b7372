"""Figures of groups: a row for each, whatever its name."""

import pytest

from brnn.figures.groups import Sample, strip

NAN = float("nan")


def test_each_group_is_a_row_of_points_and_an_interval_below_them():
    samples = {"ste": Sample([0.5, 0.7], 0.6, 0.1, 1.1), "one run": Sample([0.4], 0.4, NAN, NAN)}
    (axes,) = strip(samples, "accuracy").axes
    points = [line for line in axes.lines if line.get_marker() in "os"]
    assert [line.get_xdata().tolist() for line in points] == [[0.5, 0.7], [0.4]]
    assert [abs(line.get_ydata() - row).max() < 0.2 for row, line in enumerate(points)] == [
        True
    ] * 2
    (interval,) = axes.collections
    assert interval.get_segments()[0][:, 0].tolist() == pytest.approx([0.1, 1.1])
    assert [text.get_text() for text in axes.get_yticklabels()] == list(samples)
    assert axes.get_xlabel() == "accuracy"
    low, high = axes.get_ylim()
    assert low > high  # the first group is on top


def test_many_groups_of_long_names_make_a_figure_higher_and_not_wider_than_a_page():
    name, value = "binarynet chernoff topology.width=512", Sample([0.5], 0.5, NAN, NAN)
    few, many = (strip({f"{name}{i:02}": value for i in range(n)}, "x") for n in (2, 20))
    assert few.get_figwidth() == many.get_figwidth() < 9
    assert many.get_figheight() > 4 * few.get_figheight()
