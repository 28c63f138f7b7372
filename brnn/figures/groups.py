"""Figures of the groups of a comparison, for print."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from brnn.figures import _COLORS, _MARKERS, _figure, _label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STRIP = 0.4  # height of the points of a group, of the distance between groups


class Sample(NamedTuple):
    """The values of a group, their mean and its interval; NaN where it is not known."""

    values: Sequence[float]
    mean: float
    low: float
    high: float


class Curve(NamedTuple):
    """The mean of a group at some epochs, and its standard deviation."""

    epochs: Sequence[int]
    mean: np.ndarray
    std: np.ndarray


def strip(samples: Mapping[str, Sample], xlabel: str) -> "Figure":
    """Plot the values of each group as points in a row, and the mean with its interval below them.

    Args:
        samples: by the name of the group.
        xlabel: what the values are.
    """
    widest = max(map(len, samples), default=0)
    figure = _figure(5.0 + 0.08 * widest, 1.0 + 0.55 * len(samples), "constrained")
    axes = figure.subplots()
    for index, sample in enumerate(samples.values()):
        color, marker = _style(index)
        count = len(sample.values)
        offsets = (np.arange(count) - (count - 1) / 2) / max(count, 1) * _STRIP
        axes.plot(sample.values, index + offsets, marker, color=color, ms=5, mfc="none", ls="none")
        if not math.isnan(sample.low):
            ends = [[sample.mean - sample.low], [sample.high - sample.mean]]
            at = sample.mean, index + 0.35
            axes.errorbar(*at, xerr=ends, fmt="|", ms=10, capsize=4, color=color)
    _label(axes, xlabel, "")
    axes.set_yticks(range(len(samples)), list(samples))
    axes.set_ylim(len(samples) - 0.4, -0.6)
    return figure


def bands(curves: Mapping[str, Curve], ylabel: str) -> "Figure":
    """Plot the mean of each group against the epoch, with a band of one standard deviation.

    Args:
        curves: by the name of the group.
        ylabel: what the values are.
    """
    figure = _figure(6.0, 3.6, "constrained")
    axes = figure.subplots()
    for index, (name, (epochs, mean, std)) in enumerate(curves.items()):
        color, marker = _style(index)
        axes.fill_between(epochs, mean - std, mean + std, color=color, alpha=0.2, lw=0)
        axes.plot(epochs, mean, color=color, marker=marker, ms=4.5, lw=1.7, label=name)
    _label(axes, "epoch", ylabel)
    axes.legend(fontsize=9, frameon=False)
    return figure


def _style(index: int) -> tuple[str, str]:
    return _COLORS[index % len(_COLORS)], _MARKERS[index % len(_MARKERS)]
