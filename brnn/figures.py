"""Figures of a run: what it learned, where its weights lie, what fools it, and how runs compare.

Each function returns a new `matplotlib.figure.Figure` and touches no state of Matplotlib's, which is imported when the
first figure is drawn.
"""

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _RED, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
_COLORS = [_BLUE, _RED, _GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#222222"]  # Okabe and Ito 2008
_MARKERS = ["o", "s", "^", "D", "v"]  # as many as have no divisor in common with the colors
_SPLITS = {"train": _BLUE, "validation": _GREEN, "test": _RED}
_MAX_PANELS = 12
_MAX_MARKED = 30  # points of a curve whose markers can be told apart
_SHARE = 0.92  # of the width of a strip that its pictures fill
_MAX_TITLE = 36  # characters above a small panel


def learning_curves(history: Sequence[Mapping[str, float]]) -> "Figure":
    """Loss and accuracy of the splits against the epoch, with the last value of each in the legend.

    `history` has one dict of metrics per epoch; metrics that are not there are left out.
    """
    figure = _figure(9.0, 3.6)
    for axes, quantity in zip(
        _grid(figure, 1, 2, margins=(0.75, 0.15, 0.6, 0.15), gaps=(0.8, 0.0)).flat,
        ("loss", "accuracy"),
        strict=True,
    ):
        for split, color in _SPLITS.items():
            key = f"{split}/{quantity}"
            points = [
                (epoch, metrics[key]) for epoch, metrics in enumerate(history, 1) if key in metrics
            ]
            if points:
                _curve(axes, points, f"{split} {points[-1][1]:.4f}", color, "o")
        _label(axes, "epoch", quantity)
        if axes.lines:
            axes.legend(fontsize=9, frameon=False)
    low, high = axes.get_ylim()
    if high - low < 0.1:  # else the noise of a net that learned nothing would look like learning
        axes.set_ylim((low + high) / 2 - 0.05, (low + high) / 2 + 0.05)
    return figure


def latent_histograms(
    weights: Mapping[str, np.ndarray], bounds: Mapping[str, float | None]
) -> "Figure":
    """How the latent values of each variable are spread between the bounds that they are clipped to.

    Shows the first 12 variables and tells how many more there are.
    """
    shown = list(weights)[:_MAX_PANELS]
    columns = max(1, min(4, len(shown)))
    rows = max(1, math.ceil(len(shown) / columns))
    figure = _figure(max(2.9 * columns, 4.0), 2.1 * rows + 0.5)
    panels = list(
        _grid(figure, rows, columns, margins=(0.8, 0.15, 0.65, 0.5), gaps=(0.45, 0.75)).flat
    )
    for axes, path in zip(panels, shown, strict=False):
        _histogram(axes, path, np.ravel(weights[path]), bounds[path])
    for axes in panels[len(shown) :]:
        axes.remove()
    left_out = len(weights) - len(shown)
    figure.supxlabel(
        "latent value" + (f"  ({left_out} more variables are not shown)" if left_out else ""),
        fontsize=10,
    )
    figure.supylabel("count", fontsize=10)
    return figure


def adversarial_examples(images, perturbed, labels, predictions, targets, count: int) -> "Figure":
    """The first `count` originals, what was done to them, and the results, below `label → prediction (target)`.

    `images` and `perturbed`: `(n, height, width)`, with or without channels, whose mean is shown; or `(n, features)`,
    shown as a square where it is one. `targets` is None where the attack had none. Fooled is what has a red title.
    """
    originals, results = (
        [_picture(values) for values in batch[:count]] for batch in (images, perturbed)
    )
    changes = [result - original for original, result in zip(originals, results, strict=True)]
    low, high = _limits(originals + results)
    reach = max(map(abs, _limits(changes))) or 1.0
    figure = _figure(1.3 * len(originals) + 1.4, 4.5)
    rows = _grid(figure, 3, 1, margins=(0.5, 1.05, 0.08, 0.55), gaps=(0.0, 0.08)).flat
    _strip(rows[0], originals, "original", "gray_r", (low, high))
    change = _strip(rows[1], changes, "perturbation", "coolwarm", (-reach, reach))
    _strip(rows[2], results, "result", "gray_r", (low, high))
    width, _ = figure.get_size_inches()
    figure.colorbar(
        change, cax=figure.add_axes((1 - 0.9 / width, 0.34, 0.12 / width, 0.26))
    ).ax.tick_params(labelsize=8)
    for i in range(len(originals)):
        target = "" if targets is None else f"\n(target {targets[i]})"
        color = "black" if predictions[i] == labels[i] else _RED
        title = f"{labels[i]} → {predictions[i]}{target}"
        rows[0].text(i + 0.5, 1.05, title, fontsize=10, color=color, ha="center", va="bottom")
    return figure


def curves(
    series: Mapping[str, Sequence[tuple[float, float]]],
    xlabel: str,
    ylabel: str,
    chance: float | None,
) -> "Figure":
    """The named curves `[(x, y), …]` in one panel; a dashed line at `chance`, if given."""
    widest = max(map(len, series), default=0)
    figure = _figure(6.5 + 0.08 * widest, max(4.0, 0.25 * len(series)), layout="constrained")
    axes = figure.subplots()
    for i, (name, points) in enumerate(series.items()):
        _curve(axes, sorted(points), name, _COLORS[i % len(_COLORS)], _MARKERS[i % len(_MARKERS)])
    if chance is not None:
        axes.axhline(chance, color=_GREY, linestyle="--", linewidth=1.2, label="chance")
    _label(axes, xlabel, ylabel)
    figure.legend(loc="outside right upper", fontsize=9, frameon=False)
    return figure


def png(figure: "Figure") -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _figure(width: float, height: float, layout: str | None = None) -> "Figure":
    from matplotlib.figure import Figure

    return Figure((width, height), dpi=110, layout=layout)


def _grid(figure: "Figure", rows: int, columns: int, *, margins: tuple, gaps: tuple) -> np.ndarray:
    """Panels with margins (left, right, bottom, top) and gaps (beside, below one) in inches.

    To find them by a layout engine takes as long as the drawing.
    """
    (width, height), (left, right, bottom, top), (beside, below) = (
        figure.get_size_inches(),
        margins,
        gaps,
    )
    wide = (width - left - right - (columns - 1) * beside) / columns
    high = (height - bottom - top - (rows - 1) * below) / rows
    edges = {
        "left": left / width,
        "right": 1 - right / width,
        "bottom": bottom / height,
        "top": 1 - top / height,
    }
    edges |= {"wspace": beside / wide, "hspace": below / high}
    return figure.subplots(rows, columns, squeeze=False, gridspec_kw=edges)


def _label(axes: "Axes", xlabel: str, ylabel: str) -> None:
    """Names the axes, in the look of all panels; only whole numbers on x where all points have them."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(xlabel, fontsize=10)
    axes.set_ylabel(ylabel, fontsize=10)
    if all(float(x).is_integer() for line in axes.lines for x in line.get_xdata()):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    _tidy(axes)


def _tidy(axes: "Axes") -> None:
    axes.grid(color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_GREY)
    axes.tick_params(color=_GREY, labelsize=9)


def _curve(
    axes: "Axes", points: Sequence[tuple[float, float]], label: str, color: str, marker: str
) -> None:
    x, y = zip(*points, strict=True)
    axes.plot(
        x,
        y,
        label=label,
        color=color,
        marker=marker if len(x) <= _MAX_MARKED else "",
        ms=4.5,
        lw=1.7,
    )


def _histogram(axes: "Axes", path: str, values: np.ndarray, bound: float | None) -> None:
    """Counts of the finite values; those beyond the bound, where none should be, are counted at the edge."""
    from matplotlib.ticker import EngFormatter, MaxNLocator, NullLocator

    finite = values[np.isfinite(values)].astype("float64")
    reach = np.abs(finite).max(initial=0.0) or 1.0
    limit = 1.1 * (reach if bound is None else bound)
    # 55 bins of a 25th of the bound: zero and both bounds lie in the middle of one
    counts, edges = np.histogram(np.clip(finite, -limit, limit), bins=55, range=(-limit, limit))
    axes.stairs(counts, edges, baseline=0.7, fill=True, color=_BLUE)
    note = f"{values.size:,} values"
    if bound is not None:
        at_bound = np.mean(np.abs(finite) >= bound * (1 - 1e-6)) if finite.size else 0.0
        note += f", {at_bound:.3f} at bound"
        for edge in (-bound, bound):
            axes.axvline(edge, color=_RED, linestyle="--", linewidth=1.2)
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(
        EngFormatter(sep="")
    )  # 10k takes a third of the time of a power of ten
    axes.set_ylim(0.7, 2 * max(counts.max(), 1))
    axes.set_xlim(-limit, limit)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_title(
        f"{path if len(path) <= _MAX_TITLE else '…' + path[1 - _MAX_TITLE :]}\n{note}", fontsize=9
    )
    _tidy(axes)


def _picture(values) -> np.ndarray:
    """One example as a matrix to look at."""
    values = np.asarray(values, "float64")
    if values.ndim == 3:
        return values.mean(-1)
    side = math.isqrt(values.size)
    if values.ndim == 1:
        return values.reshape(side, side) if side**2 == values.size else values[None]
    return values


def _limits(pictures: Sequence[np.ndarray]) -> tuple[float, float]:
    """The least and the greatest finite value, or (0, 0)."""
    values = np.stack(pictures)
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _strip(
    axes: "Axes", pictures: Sequence[np.ndarray], name: str, cmap: str, limits: tuple[float, float]
):
    """Draws pictures beside one another in one panel, which is faster than many, and returns the last one."""
    height, width = pictures[0].shape
    ratio = height / width if max(height, width) <= 2 * min(height, width) else 1.0
    for i, picture in enumerate(pictures):
        extent = (i + (1 - _SHARE) / 2, i + (1 + _SHARE) / 2, 0, 1)
        image = axes.imshow(
            picture,
            cmap=cmap,
            vmin=limits[0],
            vmax=limits[1],
            extent=extent,
            interpolation="nearest",
        )
    axes.set(xlim=(0, len(pictures)), ylim=(0, 1), aspect=ratio * _SHARE, xticks=[], yticks=[])
    axes.set_ylabel(name, fontsize=10)
    axes.spines[:].set_visible(False)
    return image
