"""The figures of the page, as Plotly's JSON."""

import html
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from brnn.compare import metrics as measures
from brnn.compare.comparison import Comparison
from brnn.compare.groups import Group
from brnn.compare.selection import SelectedRun
from brnn.compare.statistics import by_step
from brnn.terminal.numbers import number

Trace = dict[str, Any]
Figure = dict[str, Any]
"""`title`, `about`, Plotly's `data` and `layout`, perhaps `wide`: of the width of the page, and
`rows`, which the height depends on."""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#888888")
SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up")  # no common divisor with colors
CURVES = ("test/accuracy", "test/loss", "train/loss")
DOUBTED = "Open points: the robust accuracy of the run is not trusted."
CELLS = ((0, "#f7fbff"), (1, "#6baed6"))  # of a heat map: black text is readable on all
LINES = ((0, "#0072B2"), (1, "#D55E00"))  # readable on white and on black
_STRIP = 0.5  # height of the strip of a group's points, of the distance between groups
_NARROW = 25  # characters of a group beside which half a page has room for its points


def figures(comparison: Comparison) -> list[Figure]:
    """Return the figures that a comparison has data for."""
    return [
        *(by_group(comparison, metric) for metric in comparison.metrics),
        *(trade_off(comparison, *pair) for pair in comparison.front),
        *learning_curves(comparison),
        *heat_maps(comparison),
        *parallel_coordinates(comparison),
    ]


def by_group(comparison: Comparison, metric: str) -> Figure:
    """Draw the runs of each group as points in a row, and their mean with its 95 % interval."""
    traces = []
    for index, (group, table) in enumerate(zip(comparison.groups, comparison.table, strict=True)):
        summary = table[metric]
        count = len(summary.values)
        offsets = (np.arange(count) - (count - 1) / 2) / max(count, 1) * _STRIP
        places = list(summary.values.values()), (index + offsets).tolist()
        traces.append(_points(comparison, index, metric, *places, summary.values))
        if not math.isnan(summary.mean):
            traces.append(_mean(index, group, summary.mean, summary.low, summary.high))
    names = [html.escape(group.name) for group in comparison.groups]
    rows = {"tickvals": list(range(len(names))), "ticktext": names}
    rows |= {"range": [len(names) - 0.5, -0.5]}  # the best on top
    about = f"Points: runs. Bars: mean and its 95 % interval. {_doubt(metric)}"
    figure = _figure(metric, about, traces, "", "", yaxis=rows, showlegend=False)
    longest = max(len(group.name) for group in comparison.groups)
    return figure | {"rows": len(names), "wide": longest > _NARROW}


def trade_off(comparison: Comparison, x: str, y: str) -> Figure:
    """Draw two metrics of each run, and a line through the means of the Pareto front."""
    traces = []
    for index, table in enumerate(comparison.table):
        values = table[y].values
        common = {key: value for key, value in values.items() if key in table[x].values}
        horizontal = [table[x].values[key] for key in common]
        vertical = list(common.values())
        traces.append(_points(comparison, index, y, horizontal, vertical, common))
    front = sorted(
        (comparison.table[i][x].mean, comparison.table[i][y].mean) for i in comparison.front[x, y]
    )
    line = {"dash": "dash", "color": COLORS[-1]}
    xs, ys = (list(column) for column in zip(*front, strict=True))
    traces.append(
        {"type": "scatter", "mode": "lines", "name": "Pareto front of means", "x": xs, "y": ys}
        | {"line": line, "hoverinfo": "skip"}
    )
    return _figure(f"{y} against {x}", f"Points: runs. {_doubt(y)}", traces, x, y)


def learning_curves(comparison: Comparison) -> Iterator[Figure]:
    """Draw the mean of each group in each epoch, with a band of one standard deviation."""
    for metric in CURVES:
        traces: list[Trace] = []
        for index, group in enumerate(comparison.groups):
            histories = [run.history(metric) for run in group.runs.values()]
            traces += _curve(index, group, [h for h in histories if len(h) > 1])
        if traces:
            about = "Lines: means over the runs of a group. Bands: one standard deviation."
            yield _figure(f"{metric} by epoch", about, traces, "epoch", metric)


def heat_maps(comparison: Comparison) -> Iterator[Figure]:
    """Draw the mean of the first metric over two keys; none where more or fewer vary."""
    if len(comparison.keys) != 2:
        return
    metric, (row, column) = comparison.metrics[0], comparison.keys
    rows, columns = (
        list(dict.fromkeys(group.labels[key] for group in comparison.groups))
        for key in (row, column)
    )
    means: list[list[float | None]] = [[None] * len(columns) for _ in rows]
    for group, table in zip(comparison.groups, comparison.table, strict=True):
        mean = table[metric].mean
        cell = rows.index(group.labels[row]), columns.index(group.labels[column])
        means[cell[0]][cell[1]] = None if math.isnan(mean) else mean
    texts = [["" if mean is None else number(mean) for mean in line] for line in means]
    names = {"x": list(map(_shown, columns)), "y": list(map(_shown, rows))}
    trace: Trace = {"type": "heatmap", "z": means, "colorscale": CELLS} | names
    trace |= {"textfont": {"color": "#111111"}, "text": texts, "texttemplate": "%{text}"}
    trace |= {"colorbar": {"title": {"text": metric}}}
    axes = {"xaxis": {"type": "category"}, "yaxis": {"type": "category"}}
    yield _figure(f"{metric} by {row} and {column}", "Means.", [trace], column, row, **axes)


def parallel_coordinates(comparison: Comparison) -> Iterator[Figure]:
    """Draw a line for each run through its keys and metrics; none for a single axis."""
    runs = [
        (group, table, key)
        for group, table in zip(comparison.groups, comparison.table, strict=True)
        for key in group.runs
        if all(key in table[metric].values for metric in comparison.metrics)
    ]
    axes = [_labels_axis(key, [group.labels[key] for group, *_ in runs]) for key in comparison.keys]
    axes += [
        {"label": metric, "values": [table[metric].values[key] for _, table, key in runs]}
        for metric in comparison.metrics
    ]
    if runs and len(axes) > 1:
        color = axes[len(comparison.keys)]["values"]
        line = {"color": color, "colorscale": LINES, "showscale": False}
        trace = {"type": "parcoords", "dimensions": axes, "line": line}
        about = f"Lines: runs, coloured by {comparison.metrics[0]}. Drag along an axis to select."
        ticks = max(map(len, axes[0].get("ticktext", [])), default=0)
        first, last = (len(axes[i]["label"]) for i in (0, -1))
        margin = {"l": 20 + max(8 * ticks, 4 * first), "r": 20 + 4 * last, "t": 70, "b": 30}
        yield _figure("Parallel coordinates", about, [trace], "", "", margin=margin) | {
            "wide": True
        }


def _points(
    comparison: Comparison,
    index: int,
    metric: str,
    x: Sequence[float],
    y: Sequence[float],
    values: dict[str, float],
) -> Trace:
    """Return the points of a group's runs: hovering shows the run, a click opens its page."""
    group = comparison.groups[index]
    runs = [group.runs[key] for key in values]
    texts = [
        _hover(run, comparison.over, key, metric, values[key])
        for run, key in zip(runs, values, strict=True)
    ]
    symbol, color = SYMBOLS[index % len(SYMBOLS)], COLORS[index % len(COLORS)]
    symbols = [symbol + ("-open" if _is_doubted(run, metric) else "") for run in runs]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": html.escape(group.name),
        "x": list(x),
        "y": list(y),
        "text": texts,
        "hoverinfo": "text",
        "customdata": [run.address for run in runs],
        "marker": {"symbol": symbols, "color": color, "size": 10}
        | {"line": {"width": 2, "color": color}},
    }


def _mean(index: int, group: Group, mean: float, low: float, high: float) -> Trace:
    known = not math.isnan(low)
    bar = {"type": "data", "symmetric": False, "thickness": 2, "width": 12, "visible": known}
    bar |= {"array": [high - mean if known else 0], "arrayminus": [mean - low if known else 0]}
    span = f", 95 % {number(low)} to {number(high)}" if known else ""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [mean],
        "y": [index],
        "text": [f"{html.escape(group.name)}: mean {number(mean)}{span}"],
        "hoverinfo": "text",
        "error_x": bar,
        "marker": {"symbol": "line-ns-open", "color": COLORS[index % len(COLORS)], "size": 22},
    }


def _curve(index: int, group: Group, histories: Sequence[dict[int, float]]) -> list[Trace]:
    """Return the line and the band of a group, over the epochs that any of its runs has."""
    if not histories:
        return []
    steps, mean, std = by_step(histories)
    name, color = html.escape(group.name), COLORS[index % len(COLORS)]
    edges = [*(mean + std), *(mean - std)[::-1]]
    finite = [value if math.isfinite(value) else None for value in edges]
    line: Trace = {"type": "scatter", "mode": "lines+markers", "name": name, "legendgroup": name}
    line |= {"x": steps, "y": [v if math.isfinite(v) else None for v in mean]}
    line |= {"line": {"color": color}, "marker": {"symbol": SYMBOLS[index % len(SYMBOLS)]}}
    band = {"type": "scatter", "mode": "lines", "legendgroup": name, "showlegend": False}
    band |= {"x": [*steps, *steps[::-1]], "y": finite, "hoverinfo": "skip", "line": {"width": 0}}
    return [band | {"fill": "toself", "fillcolor": f"{color}33"}, line]


def _labels_axis(key: str, labels: Sequence[str]) -> Trace:
    names = list(dict.fromkeys(labels))
    values = [names.index(label) for label in labels]
    return {
        "label": key,
        "values": values,
        "tickvals": list(range(len(names))),
        "ticktext": list(map(_shown, names)),
    }


def _shown(label: str) -> str:
    """Return a label of an axis, which a group may lack."""
    return label or "—"


def _hover(run: SelectedRun, over: str, key: str, metric: str, value: float) -> str:
    lines = [run.name, f"{over}={key}", f"{metric} {number(value)}"]
    if measures.is_robust(metric):
        lines.append(f"trusted: {run.tags.get(measures.TRUSTED, 'not checked')[:90]}")
    return "<br>".join(html.escape(line) for line in lines)


def _is_doubted(run: SelectedRun, metric: str) -> bool:
    return measures.is_robust(metric) and run.tags.get(measures.TRUSTED) != "yes"


def _doubt(metric: str) -> str:
    return DOUBTED if measures.is_robust(metric) else ""


def _figure(title: str, about: str, data: list[Trace], x: str, y: str, **layout: Any) -> Figure:
    axes = {"xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}}}
    for name in axes:
        axes[name] |= layout.pop(name, {})
    return {"title": title, "about": about.strip(), "data": data, "layout": axes | layout}
