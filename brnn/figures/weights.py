"""Figures of weights: their latent values and their levels."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from brnn.figures import (
    _BLUE,
    _GREY,
    _MAX_PANELS,
    _RED,
    _figure,
    _grid,
    _label,
    _tidy,
    left_out,
    write_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_TITLE = 36  # characters above a small panel
_MAX_UNITS = 40  # units of the first layer that are drawn
_PER_ROW = 10


def latent_histograms(
    weights: Mapping[str, np.ndarray], bounds: Mapping[str, float | None], title: str = ""
) -> "Figure":
    """Plot the distribution of the latent values of each variable, of the first 12 at most.

    Args:
        weights: the latent values of each variable, by path.
        bounds: what the values are clipped to, `[-bound, bound]`, by path; None: not clipped.
        title: of the figure.
    """
    shown = list(weights)[:_MAX_PANELS]
    figure, panels = _panels(len(shown), title)
    for axes, path in zip(panels, shown, strict=False):
        _histogram(axes, path, np.ravel(weights[path]), bounds[path])
    figure.supxlabel(f"latent value{left_out(len(weights), 'variables')}", fontsize=10)
    figure.supylabel("count", fontsize=10)
    return figure


def latent_by_epoch(
    quantiles: Mapping[str, Sequence[tuple[float, ...]]],
    bounds: Mapping[str, float | None],
    title: str = "",
) -> "Figure":
    """Plot the quantiles of the latent values of each variable by epoch, of the first 12 at most.

    The lowest and the highest quantile limit a band, and the median is a curve in it. Lines mark 0
    and the bounds.

    Args:
        quantiles: the lowest, the median and the highest of each epoch from 1, by path.
        bounds: what the values are clipped to, `[-bound, bound]`, by path; None: not clipped.
        title: of the figure.
    """
    shown = list(quantiles)[:_MAX_PANELS]
    figure, panels = _panels(len(shown), title)
    for axes, path in zip(panels, shown, strict=False):
        low, median, high = np.array(quantiles[path]).T
        epochs = np.arange(1, len(low) + 1)
        axes.fill_between(epochs, low, high, color=_BLUE, alpha=0.25, linewidth=0)
        axes.plot(epochs, median, color=_BLUE, linewidth=1.7)
        axes.axhline(0.0, color=_GREY, linewidth=1.0)
        bound = bounds[path]
        for edge in () if bound is None else (-bound, bound):
            axes.axhline(edge, color=_RED, linestyle="--", linewidth=1.2)
        axes.set_title(_short(path), fontsize=9)
        _label(axes, "", "")
    legend = "epoch (grey: 0, orange: bound)"
    figure.supxlabel(f"{legend}{left_out(len(quantiles), 'variables')}", fontsize=10)
    figure.supylabel("latent value: 5 %, median, 95 %", fontsize=10)
    return figure


def first_layer(levels: np.ndarray, shape: tuple[int, ...], title: str) -> "Figure | None":
    """Draw the levels of the first units as images; return None where they have no such shape.

    Args:
        levels: of the first kernel: `(inputs, units)` of a dense layer whose inputs are the pixels,
            or `(height, width, channels, filters)` of a convolution.
        shape: of one image, `(height, width)` or `(height, width, channels)`.
        title: of the figure.
    """
    if len(shape) == 2:
        shape = (*shape, 1)
    if levels.ndim == 2 and len(shape) == 3 and len(levels) == math.prod(shape):
        levels = levels.reshape(*shape, -1)
    if levels.ndim != 4:
        return None
    units = np.moveaxis(levels, -1, 0)[:_MAX_UNITS]
    reach = float(np.abs(units).max()) or 1.0
    columns = min(_PER_ROW, len(units))
    rows = math.ceil(len(units) / columns)
    figure = _figure(max(0.8 * columns + 0.4, 4.0), 0.8 * rows + 0.7)
    axes = figure.add_axes((0.02, 0.02, 0.96, 1 - 0.6 / (0.8 * rows + 0.7)))
    axes.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")
    axes.set_axis_off()
    for index, unit in enumerate(units):
        row, column = divmod(index, columns)
        picture = unit.mean(-1) if unit.shape[-1] != 3 else (unit / reach + 1) / 2
        extent = (column + 0.05, column + 0.95, row + 0.95, row + 0.05)
        axes.imshow(picture, "gray", vmin=-reach, vmax=reach, extent=extent, aspect="equal")
    write_title(figure, f"{title}, {len(units)} of {levels.shape[-1]} units")
    return figure


def _panels(count: int, title: str) -> tuple["Figure", list["Axes"]]:
    """Return a figure with a title and `count` small panels, and the panels."""
    columns = max(1, min(4, count))
    rows = max(1, math.ceil(count / columns))
    figure = _figure(max(2.9 * columns, 4.0), 2.1 * rows + 0.8)
    write_title(figure, title)
    grid = _grid(figure, rows, columns, margins=(0.8, 0.15, 0.65, 0.8), gaps=(0.45, 0.75))
    for axes in grid.flat[count:]:
        axes.remove()
    return figure, list(grid.flat[:count])


def _short(path: str) -> str:
    """Return the end of a path that fits above a small panel."""
    return path if len(path) <= _MAX_TITLE else "…" + path[1 - _MAX_TITLE :]


def _histogram(axes: "Axes", path: str, values: np.ndarray, bound: float | None) -> None:
    """Plot the counts of the finite values; any beyond the bound are counted at the edge."""
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
    axes.set_title(f"{_short(path)}\n{note}", fontsize=9)
    _tidy(axes)
