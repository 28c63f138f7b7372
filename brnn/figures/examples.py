"""Figures of single inputs: adversarial examples, and which classes are confused."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from brnn.figures import _RED, _figure, _grid, write_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_FILLED = 0.92  # share of the width of a strip that its pictures fill
_INCHES_OF_NUMBERS = 0.65  # that the name of an axis and the numbers of its ticks take
_COLORS = 3  # channels of an image in colour


def adversarial_examples(
    images: np.ndarray,
    perturbed: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    predictions: Sequence[int] | np.ndarray,
    targets: Sequence[int] | np.ndarray | None,
    count: int,
    title: str = "",
    names: Sequence[str] = (),
) -> "Figure":
    """Draw originals, perturbations and results in three rows, titled `label → prediction`.

    The misclassified images come first, with orange titles.

    Args:
        images: `(n, height, width)`, or with channels: three are colours, of others the mean is
            shown; or `(n, features)`, shown as a square where `features` is one; of further axes,
            which come first, the middle is shown.
        perturbed: the images after the attack, of the same shape.
        labels: the classes of the images.
        predictions: the classes that the net assigns to `perturbed`.
        targets: the classes that the attack aimed at; None: an untargeted attack.
        count: how many images to show.
        title: of the figure.
        names: of the classes; none for their numbers.
    """
    broken = np.asarray(predictions) != np.asarray(labels)
    order = np.argsort(~broken, kind="stable")[:count]
    originals = [_picture(images[i]) for i in order]
    results = [_picture(perturbed[i]) for i in order]
    changes = [result - original for original, result in zip(originals, results, strict=True)]
    low, high = _limits(originals + results)
    reach = max(map(abs, _limits(changes))) or 1.0
    figure = _figure(max(1.3 * len(originals) + 1.4, 4.0), 4.9)
    rows = _grid(figure, 3, 1, margins=(0.5, 1.05, 0.08, 0.95), gaps=(0.0, 0.08)).flat
    _strip(rows[0], originals, "original", "gray_r", (low, high))
    change = _strip(rows[1], changes, "perturbation", "coolwarm", (-reach, reach))
    _strip(rows[2], results, "result", "gray_r", (low, high))
    width, _ = figure.get_size_inches()
    if changes[0].ndim == 2:
        scale = figure.add_axes((1 - 0.9 / width, 0.34, 0.12 / width, 0.26))
        figure.colorbar(change, cax=scale).ax.tick_params(labelsize=8)
    else:  # a colour shows the changes of three channels, grey none
        rows[1].set_ylabel(f"perturbation\n±{reach:.3g}", fontsize=10)
    for column, i in enumerate(order):
        target = "" if targets is None else f"\n(target {_name(targets[i], names)})"
        color = _RED if broken[i] else "black"
        arrow = "\n→ " if names else " → "  # a word takes a line
        text = f"{_name(labels[i], names)}{arrow}{_name(predictions[i], names)}{target}"
        size = 7.5 if names else 10
        rows[0].text(column + 0.5, 1.05, text, fontsize=size, color=color, ha="center", va="bottom")
    write_title(figure, title, x=0.5 / width, ha="left")
    legend = f"orange: misclassified, {broken.sum():,} of these {len(broken):,} images"
    figure.text(0.5 / width, 0.93, legend, fontsize=9, color=_RED, va="top")
    return figure


def confusion_matrix(
    labels: np.ndarray,
    predictions: np.ndarray,
    classes: int,
    title: str,
    names: Sequence[str] = (),
) -> "Figure":
    """Draw how many rows of each class are taken for each class, as shares of the class.

    Args:
        labels: classes (n,).
        predictions: classes (n,).
        classes: their number; up to 20 the shares are written.
        title: of the figure.
        names: of the classes; none for their numbers.
    """
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, predictions), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    panel = min(10.0, 1.0 + (0.3 if classes > 20 and names else 0.42) * classes)
    words = names[:classes]
    edge = _INCHES_OF_NUMBERS + max((_inches(word, 7) for word in words), default=0.0)
    margins = (edge, 1.0, edge, 0.5)
    figure = _figure(edge + panel + 1.0, edge + panel + 0.5)
    axes = _grid(figure, 1, 1, margins=margins, gaps=(0.0, 0.0))[0, 0]
    drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if classes <= 20:
        axes.set(xticks=range(classes), yticks=range(classes))
        for (row, column), share in np.ndenumerate(shares):
            if counts[row, column]:
                color = "white" if share > 0.6 else "black"
                text = f"{share:.2f}".removeprefix("0")
                axes.text(column, row, text, fontsize=7, color=color, ha="center", va="center")
    axes.tick_params(labelsize=9)
    if words:
        axes.set_xticks(range(classes), words, fontsize=7, rotation=90)
        axes.set_yticks(range(classes), words, fontsize=7)
    axes.set_xlabel("prediction", fontsize=10)
    axes.set_ylabel("label", fontsize=10)
    width, height = figure.get_size_inches()
    scale = (1 - 0.85 / width, (edge + 0.1 * panel) / height, 0.2 / width, 0.8 * panel / height)
    figure.colorbar(drawn, cax=figure.add_axes(scale)).ax.tick_params(labelsize=8)
    write_title(figure, title)
    return figure


def _inches(text: str, size: float) -> float:
    """Return the width of a text of a size in points."""
    from matplotlib.textpath import TextPath

    return TextPath((0, 0), text, size=size).get_extents().width / 72


def _name(number: int, names: Sequence[str]) -> str:
    """Return the name of a class, or its number where it has none."""
    return names[number] if number < len(names) else str(number)


def _picture(image: np.ndarray) -> np.ndarray:
    """Return one example as a matrix, or one with three colours."""
    values = np.asarray(image, "float64")
    while values.ndim > 3:
        values = values[len(values) // 2]
    if values.ndim == 3:
        return values if values.shape[-1] == _COLORS else values.mean(-1)
    side = math.isqrt(values.size)
    if values.ndim == 1:
        return values.reshape(side, side) if side**2 == values.size else values[None]
    return values


def _limits(pictures: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the least and the greatest finite value, or (0, 0)."""
    values = np.stack(pictures)
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _strip(
    axes: "Axes", pictures: Sequence[np.ndarray], name: str, cmap: str, limits: tuple[float, float]
) -> "AxesImage":
    """Draw pictures side by side in one panel, faster than in many; return the last drawing."""
    low, high = limits
    height, width = pictures[0].shape[:2]
    ratio = height / width if max(height, width) <= 2 * min(height, width) else 1.0
    for i, picture in enumerate(pictures):
        extent = (i + (1 - _FILLED) / 2, i + (1 + _FILLED) / 2, 0, 1)
        if picture.ndim == 3:  # colours are drawn as they are, and lie in [0, 1]
            picture = np.clip(np.nan_to_num((picture - low) / ((high - low) or 1.0)), 0, 1)
        shown = axes.imshow(
            picture, cmap=cmap, vmin=low, vmax=high, extent=extent, interpolation="nearest"
        )
    axes.set(xlim=(0, len(pictures)), ylim=(0, 1), aspect=ratio * _FILLED, xticks=[], yticks=[])
    axes.set_ylabel(name, fontsize=10)
    axes.spines[:].set_visible(False)
    return shown
