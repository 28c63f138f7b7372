"""Figures: each shows its data, labels its axes, and leaves Matplotlib's state alone."""

import subprocess
import sys

import numpy as np
import pytest

from brnn import figures
from brnn.figures import examples

pytestmark = pytest.mark.filterwarnings("error")

HISTORY = [
    {
        "train/loss": 2.0,
        "test/loss": 2.5,
        "train/accuracy": 0.4,
        "validation/accuracy": 0.3,
        "test/accuracy": 0.2,
    },
    {
        "train/loss": 1.0,
        "test/loss": 1.5,
        "train/accuracy": 0.8,
        "validation/accuracy": 0.7,
        "test/accuracy": 0.6,
    },
    {
        "train/loss": 0.5,
        "train/accuracy": 0.9,
        "validation/accuracy": 0.8,
        "test/accuracy": 0.71234,
    },
]


def points(axes) -> dict[str, list[tuple[float, float]]]:
    return {
        line.get_label(): [tuple(map(float, point)) for point in line.get_xydata()]
        for line in axes.lines
    }


def legend(owner) -> list[str]:
    return [text.get_text() for text in owner.get_texts()]


def test_matplotlib_is_imported_when_it_draws_and_pyplot_never():
    code = """
import sys
from brnn import figures
print("matplotlib" in sys.modules)
figures.png(figures.learning_curves([]))
print("matplotlib" in sys.modules, "matplotlib.pyplot" in sys.modules)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["False", "True", "False"]


def test_learning_curves_show_each_split_against_the_epoch():
    loss, accuracy = figures.learning_curves(HISTORY).axes
    assert (loss.get_xlabel(), loss.get_ylabel()) == ("epoch", "loss")
    assert (accuracy.get_xlabel(), accuracy.get_ylabel()) == ("epoch", "accuracy")
    assert points(loss) == {
        "train 0.5000": [(1, 2.0), (2, 1.0), (3, 0.5)],
        "test 1.5000": [(1, 2.5), (2, 1.5)],
    }
    assert list(points(accuracy)) == ["train 0.9000", "validation 0.8000", "test 0.7123"]
    assert points(accuracy)["validation 0.8000"] == [(1, 0.3), (2, 0.7), (3, 0.8)]
    assert legend(accuracy.get_legend()) == list(points(accuracy))


def test_a_split_has_the_same_color_in_both_panels():
    loss, accuracy = ({line.get_label().split()[0]: line.get_color() for line in axes.lines}
                      for axes in figures.learning_curves(HISTORY).axes)  # fmt: skip
    assert loss["train"] == accuracy["train"]
    assert loss["test"] == accuracy["test"]
    assert len(set(accuracy.values())) == 3


@pytest.mark.parametrize("epochs", [1, 2, 7, 60])
def test_epochs_are_whole_numbers(epochs):
    for axes in figures.learning_curves([HISTORY[0]] * epochs).axes:
        assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_noise_of_a_net_that_learned_nothing_does_not_fill_the_panel():
    (accuracy,) = figures.learning_curves([{"test/accuracy": 0.100}, {"test/accuracy": 0.102}]).axes
    low, high = accuracy.get_ylim()
    assert high - low == pytest.approx(0.1)
    assert (low + high) / 2 == pytest.approx(0.101)


def test_a_diverged_run_can_be_drawn():
    history = [
        HISTORY[0],
        {"train/loss": float("inf")},
        {"train/loss": float("nan"), "test/accuracy": float("nan")},
    ]
    assert figures.png(figures.learning_curves(history))


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [
        ((28, 28), (28, 28)),
        ((28, 28, 1), (28, 28)),
        ((784,), (28, 28)),
        ((32, 32, 3), (32, 32, 3)),
        ((32, 32, 2), (32, 32)),
        ((100, 12), (100, 12)),
        ((50,), (1, 50)),
    ],
)
def test_examples_of_any_shape_become_pictures(shape, drawn):
    images = np.random.default_rng(0).random((3, *shape))
    figure = examples.adversarial_examples(images, images, [1, 2, 3], [1, 2, 3], None, 3)
    assert [[image.get_array().shape for image in axes.images] for axes in figure.axes[:3]] == [
        [drawn] * 3
    ] * 3
    channels = shape[2] if len(shape) == 3 and len(drawn) == 2 else 1
    if len(drawn) == 3:  # colours are scaled to [0, 1], and no scale of one colour explains them
        assert len(figure.axes) == 3
        return
    assert figure.axes[0].images[0].get_array().sum() * channels == pytest.approx(images[0].sum())


def test_examples_show_original_change_and_result():
    images = np.uint8([[[0, 9], [5, 5]], [[1, 1], [1, 1]], [[0, 0], [0, 0]]])
    perturbed = np.uint8([[[0, 6], [5, 7]], [[1, 1], [1, 1]], [[0, 0], [0, 0]]])
    figure = examples.adversarial_examples(images, perturbed, [7, 1, 0], [3, 1, 0], [3, 2, 4], 2)
    pictures = [picture for axes in figure.axes[:3] for picture in axes.images]
    np.testing.assert_array_equal(pictures[0].get_array(), images[0])
    np.testing.assert_array_equal(pictures[2].get_array(), [[0, -3], [0, 2]])
    np.testing.assert_array_equal(pictures[3].get_array(), 0)
    np.testing.assert_array_equal(pictures[4].get_array(), perturbed[0])
    assert [picture.get_clim() for picture in pictures] == [
        (0, 9),
        (0, 9),
        (-3, 3),
        (-3, 3),
        (0, 9),
        (0, 9),
    ]
    assert [axes.get_ylabel() for axes in figure.axes[:3]] == ["original", "perturbation", "result"]
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "7 → 3\n(target 3)",
        "1 → 1\n(target 2)",
    ]
    fooled, right = (text.get_color() for text in figure.axes[0].texts)
    assert fooled != right == "black"
    assert len(pictures) == 6


def test_fewer_examples_than_asked_for_are_all_shown():
    images = np.zeros((2, 4, 4))
    figure = examples.adversarial_examples(images, images, [0, 1], [0, 1], None, 10)
    assert figure.axes[1].images[0].get_clim() == (-1, 1)  # no change at all
    assert [text.get_text() for text in figure.axes[0].texts] == ["0 → 0", "1 → 1"]
    assert [len(axes.images) for axes in figure.axes[:3]] == [2, 2, 2]


def test_of_further_axes_the_middle_is_drawn():
    volume = np.arange(1 * 3 * 2 * 4 * 1.0).reshape(1, 1, 3, 2, 4, 1)
    rows = examples.adversarial_examples(volume, volume + 1, [0], [1], None, 1).axes
    np.testing.assert_array_equal(rows[0].images[0].get_array(), volume[0, 0, 1, :, :, 0])


def test_examples_that_are_not_finite_can_be_drawn():
    images = np.float32([np.eye(4), np.eye(4)])
    figure = examples.adversarial_examples(images, images * np.nan, [0, 1], [0, 1], None, 2)
    assert [axes.images[0].get_clim() for axes in figure.axes[:3]] == [(0, 1), (-1, 1), (0, 1)]
    assert figures.png(figure)


def test_curves_are_drawn_from_left_to_right_with_their_names():
    series = {
        "attack": [(0.2, 0.5), (0.0, 0.9), (0.1, 0.7)],
        "attack_noise": [(0.0, 0.9), (0.2, 0.8)],
    }
    figure = figures.curves(series, "epsilon", "accuracy", 0.1)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epsilon", "accuracy")
    assert legend(figure.legends[0]) == ["attack", "attack_noise", "chance"]
    drawn = points(axes)
    assert drawn["attack"] == [(0.0, 0.9), (0.1, 0.7), (0.2, 0.5)]
    assert drawn["attack_noise"] == [(0.0, 0.9), (0.2, 0.8)]
    assert {y for _, y in drawn["chance"]} == {0.1}


def test_without_chance_there_is_no_line_for_it():
    figure = figures.curves({"run": [(1, 0.5), (10, 0.25)]}, "iterations", "loss", None)
    assert legend(figure.legends[0]) == ["run"]
    assert all(float(tick).is_integer() for tick in figure.axes[0].get_xticks())


def test_many_curves_can_be_told_apart():
    (axes,) = figures.curves(
        {str(i): [(0, i), (1, i)] for i in range(35)}, "epoch", "loss", None
    ).axes
    assert len({(line.get_color(), line.get_marker()) for line in axes.lines}) == 35


def test_a_legend_lies_outside_of_the_curves():
    series = {"a-rather-long-name-of-a-run-" * 2 + str(i): [(0, i), (1, i)] for i in range(25)}
    figure = figures.curves(series, "epoch", "loss", None)
    figures.png(figure)
    panel, names = figure.axes[0].get_window_extent(), figure.legends[0].get_window_extent()
    assert names.x0 >= panel.x1
    assert names.x1 <= figure.bbox.x1
    assert names.y0 >= figure.bbox.y0
    assert panel.width > 300


def test_png_is_an_image_of_the_size_of_the_figure():
    figure = figures.curves({"run": [(0, 1), (1, 0)]}, "x", "y", None)
    data = figures.png(figure)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = (int.from_bytes(data[i : i + 4]) for i in (16, 20))
    assert (width, height) == tuple((figure.get_size_inches() * 110).astype(int))


def test_regression_has_no_panel_of_accuracies():
    figure = figures.learning_curves([{"train/loss": 1.0}, {"train/loss": 0.5}], "a run")
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss"]
    assert figure.get_suptitle() == "a run"


def test_broken_images_come_first_and_their_color_is_explained():
    images = np.arange(3 * 4.0).reshape(3, 2, 2)
    figure = examples.adversarial_examples(
        images, images, [0, 1, 2], [0, 1, 1], None, 2, "net: attack=fgsm epsilon=0.1"
    )
    assert [text.get_text() for text in figure.axes[0].texts] == ["2 → 1", "0 → 0"]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), images[2])
    title, legend = (text.get_text() for text in figure.texts)
    assert title == "net: attack=fgsm epsilon=0.1"
    assert legend == "orange: misclassified, 1 of these 3 images"


def test_a_confusion_matrix_has_the_shares_of_each_class():
    labels, predictions = np.array([0, 0, 0, 0, 2]), np.array([0, 0, 0, 1, 2])
    figure = examples.confusion_matrix(labels, predictions, 3, "net")
    (image,) = figure.axes[0].images
    np.testing.assert_allclose(image.get_array(), [[0.75, 0.25, 0], [0, 0, 0], [0, 0, 1]])
    assert [text.get_text() for text in figure.axes[0].texts] == [".75", ".25", "1.00"]


def test_shares_by_epoch_have_a_curve_for_each_name_of_the_prefix():
    history = [{"flip/a": 0.5, "flip/b": 0.1, "test/loss": 1.0}, {"flip/a": 0.25}]
    figure = figures.shares_by_epoch(history, "flip/", "flips", "net")
    assert points(figure.axes[0]) == {"a": [(1, 0.5), (2, 0.25)], "b": [(1, 0.1)]}
    assert figures.shares_by_epoch(history, "other/", "flips", "net") is None
    (axes,) = figures.shares_by_epoch([{f"flip/{i}": 0.5 for i in range(13)}], "flip/", "", "").axes
    assert (len(axes.lines), axes.get_xlabel()) == (12, "epoch  (1 more curves are not shown)")


@pytest.mark.parametrize("length", [20, 71, 400])
def test_a_title_fits_the_width_and_keeps_its_end(length):
    title = ("binarynet-ste-mlp-modern-s0 " * 20)[: length - 5] + ", end"
    figure = examples.confusion_matrix(np.array([0, 1]), np.array([0, 1]), 2, title)
    figure.canvas.draw()
    (text,) = figure.texts
    extent = text.get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= figure.bbox.width
    assert text.get_text().endswith(", end")
    assert text.get_fontsize() >= 6


def test_a_figure_has_a_png_and_an_svg_file_of_equal_bytes_each_time():
    made = [
        figures.files(figures.learning_curves(HISTORY), "figures/x", ["png", "svg"])
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert made[0]["figures/x.png"][:4] == b"\x89PNG"
    assert b"<svg" in made[0]["figures/x.svg"][:600]


def test_classes_are_drawn_in_words_where_they_have_them():
    images = np.zeros((1, 4, 4))
    names = ["cat", "dog", "bird"]
    figure = examples.adversarial_examples(images, images, [0], [2], [1], 1, names=names)
    assert figure.axes[0].texts[0].get_text() == "cat\n→ bird\n(target dog)"
    figure = examples.confusion_matrix(np.int32([0, 1]), np.int32([0, 2]), 3, "net", names)
    for axis in (figure.axes[0].get_xticklabels(), figure.axes[0].get_yticklabels()):
        assert [label.get_text() for label in axis] == names
