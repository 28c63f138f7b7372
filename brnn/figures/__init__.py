"""Figures of a run.

Each function returns a new figure and leaves Matplotlib's global state alone. Matplotlib is
imported as the first figure is drawn.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["png", "svg"]

_PNG = {"compress_level": 1}  # up to an eighth larger than with 6, and written faster

_BLUE, _RED, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
_COLORS = [_BLUE, _RED, _GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#222222"]  # Okabe and Ito 2008
_MARKERS = ["o", "s", "^", "D", "v"]  # their number has no divisor in common with the colors'
_SPLITS = {"train": _BLUE, "validation": _GREEN, "test": _RED}
_MAX_PANELS = 12
_CHARACTERS = 12  # of 10 points that fit in an inch
_MAX_MARKED = 30  # points of a curve whose markers can be told apart


def learning_curves(history: Sequence[Mapping[str, float]], title: str = "") -> "Figure":
    """Plot loss and accuracy of the splits against the epoch, with their last values in the legend.

    Args:
        history: the metrics of each epoch; a quantity that no epoch has is left out.
        title: of the figure.
    """
    keys = {key for metrics in history for key in metrics}
    shown = [q for q in ("loss", "accuracy") if any(f"{split}/{q}" in keys for split in _SPLITS)]
    figure = _figure(4.5 * max(1, len(shown)), 3.6)
    panels = _grid(figure, 1, max(1, len(shown)), margins=(0.75, 0.15, 0.6, 0.35), gaps=(0.8, 0.0))
    for axes, quantity in zip(panels.flat, shown, strict=False):
        for split, color in _SPLITS.items():
            key = f"{split}/{quantity}"
            points = [
                (epoch, metrics[key]) for epoch, metrics in enumerate(history, 1) if key in metrics
            ]
            if points:
                _curve(axes, points, f"{split} {points[-1][1]:.4f}", color, "o")
        _label(axes, "epoch", quantity)
        axes.legend(fontsize=9, frameon=False)
        low, high = axes.get_ylim()
        if quantity == "accuracy" and high - low < 0.1:  # else noise would look like learning
            axes.set_ylim((low + high) / 2 - 0.05, (low + high) / 2 + 0.05)
    write_title(figure, title)
    return figure


def shares_by_epoch(
    history: Sequence[Mapping[str, float]], prefix: str, ylabel: str, title: str
) -> "Figure | None":
    """Plot the metrics `{prefix}{name}` against the epoch, of the first 12 names.

    Args:
        history: the metrics of each epoch.
        prefix: of the metrics.
        ylabel: what they are.
        title: of the figure.

    Returns:
        The figure; None: no metric has the prefix.
    """
    names = sorted({key for metrics in history for key in metrics if key.startswith(prefix)})
    series = {
        name.removeprefix(prefix): [
            (epoch, metrics[name]) for epoch, metrics in enumerate(history, 1) if name in metrics
        ]
        for name in names[:_MAX_PANELS]
    }
    if not series:
        return None
    figure = curves(series, f"epoch{left_out(len(names), 'curves')}", ylabel, None)
    write_title(figure, title)
    return figure


def write_title(figure: "Figure", title: str, **position: Any) -> None:
    """Write a title in one line that fits: a long one is smaller, and loses its beginning.

    Args:
        figure: the figure.
        title: its title.
        position: of the text, as Matplotlib's `suptitle` takes it.
    """
    room = _CHARACTERS * figure.get_figwidth()
    size = float(np.clip(10 * room / max(len(title), 1), 6, 10))
    longest = int(room * 10 / size)
    text = title if len(title) <= longest else f"…{title[len(title) - longest + 1 :]}"
    figure.suptitle(text, fontsize=size, **position)


def left_out(count: int, what: str) -> str:
    """Return a note on those of `count` that a figure of the first 12 does not show, if any."""
    return f"  ({count - _MAX_PANELS} more {what} are not shown)" if count > _MAX_PANELS else ""


def curves(
    series: Mapping[str, Sequence[tuple[float, float]]],
    xlabel: str,
    ylabel: str,
    chance: float | None,
) -> "Figure":
    """Plot named curves in one panel.

    Args:
        series: the points `(x, y)` of each curve, by its name.
        xlabel: what x is.
        ylabel: what y is.
        chance: the y of a dashed line; None: no line.
    """
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
    """Return the content of a PNG file of a figure."""
    return image(figure, "png")


def files(figure: "Figure", path: str, kinds: Sequence[Kind]) -> dict[str, bytes]:
    """Return the contents of the files of a figure, by path.

    Args:
        figure: the figure.
        path: of all, without the suffix.
        kinds: their formats.
    """
    return {f"{path}.{kind}": image(figure, kind) for kind in kinds}


def image(figure: "Figure", kind: Kind) -> bytes:
    """Return the content of a file of a figure; equal figures have equal bytes.

    The first file of a figure decides where its parts are in later ones.
    """
    import matplotlib

    buffer = io.BytesIO()
    options: dict[str, Any] = (
        {"pil_kwargs": _PNG} if kind == "png" else {"metadata": {"Date": None}}
    )
    with matplotlib.rc_context({"svg.hashsalt": "brnn"}):
        figure.savefig(buffer, format=kind, **options)
    figure.set_layout_engine("none")  # a layout takes as long as the drawing
    return buffer.getvalue()


def _figure(width: float, height: float, layout: Literal["constrained"] | None = None) -> "Figure":
    """Return an empty figure of a size in inches."""
    from matplotlib.figure import Figure

    return Figure((width, height), dpi=110, layout=layout)


def _grid(figure: "Figure", rows: int, columns: int, *, margins: tuple, gaps: tuple) -> np.ndarray:
    """Return panels with margins (left, right, bottom, top) and gaps (across, down) in inches.

    A layout engine would take as long to find them as the drawing takes.
    """
    width, height = figure.get_size_inches()
    left, right, bottom, top = margins
    horizontal, vertical = gaps
    panel_width = (width - left - right - (columns - 1) * horizontal) / columns
    panel_height = (height - bottom - top - (rows - 1) * vertical) / rows
    edges = {
        "left": left / width,
        "right": 1 - right / width,
        "bottom": bottom / height,
        "top": 1 - top / height,
        "wspace": horizontal / panel_width,
        "hspace": vertical / panel_height,
    }
    return figure.subplots(rows, columns, squeeze=False, gridspec_kw=edges)


def _label(axes: "Axes", xlabel: str, ylabel: str) -> None:
    """Name the axes in the common style, with whole numbers on x where all points have them."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(xlabel, fontsize=10)
    axes.set_ylabel(ylabel, fontsize=10)
    if all(float(x).is_integer() for line in axes.lines for x in np.asarray(line.get_xdata())):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    _tidy(axes)


def _tidy(axes: "Axes") -> None:
    """Give axes the common style."""
    axes.grid(color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_GREY)
    axes.tick_params(color=_GREY, labelsize=9)


def _curve(
    axes: "Axes", points: Sequence[tuple[float, float]], label: str, color: str, marker: str
) -> None:
    """Plot one curve, with markers where they can be told apart."""
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
