"""A comparison as one HTML page that needs no network."""

import json
import re
import string
from collections.abc import Sequence
from html import escape
from importlib import resources

from brnn.compare import metrics as measures
from brnn.compare.comparison import Comparison
from brnn.compare.groups import Group, value_of
from brnn.compare.interactive import figures
from brnn.compare.selection import SelectedRun
from brnn.compare.sentences import conclusions, constants, heading
from brnn.compare.table import best_groups, counted, known, span, spread, verdict

TITLE = "Comparison"
HEIGHT, HEIGHT_OF_ROW = 22, 1.6  # of a figure, in the size of the page's text


def page(comparison: Comparison) -> str:
    """Return the page: conclusions, groups, figures, and a link to each run.

    The code of Plotly, which draws the figures in the browser, is part of the page.
    """
    from plotly.offline import get_plotlyjs

    drawn = figures(comparison)
    plots = json.dumps([{key: f[key] for key in ("data", "layout")} for f in drawn])
    title = escape("; ".join(comparison.sweeps.values()) or TITLE)
    template = resources.files("brnn.compare").joinpath("page.html").read_text("utf-8")
    return string.Template(template).substitute(
        title=title,
        plotly=get_plotlyjs(),
        heading=escape(heading(comparison)),
        conclusions=_items(conclusions(comparison)),
        groups=_groups(comparison),
        notes=_items([*comparison.notes, *constants(comparison)]),
        figures="".join(map(_slot, range(len(drawn)), drawn)),
        runs=_runs(comparison),
        data=plots.replace("<", "\\u003c"),
    )


def _slot(index: int, figure: dict) -> str:
    title, about = escape(figure["title"]), escape(figure["about"])
    kind = ' class="wide"' if figure.get("wide") else ""
    height = max(HEIGHT, HEIGHT_OF_ROW * figure.get("rows", 0))
    return (
        f"<figure{kind}><figcaption>{title}<span>{about}</span></figcaption>"
        f'<div class="plot" id="plot{index}" role="img" aria-label="{title}"'
        f' style="height: {height}rem"></div></figure>'
    )


def _groups(comparison: Comparison) -> str:
    robust = any(map(measures.is_robust, comparison.metrics))
    head = [*comparison.keys, "runs", *comparison.metrics, *([measures.TRUSTED] if robust else [])]
    best = {metric: best_groups(comparison, metric) for metric in comparison.metrics}
    rows = []
    for index, (group, table) in enumerate(zip(comparison.groups, comparison.table, strict=True)):
        cells = [escape(value) for value in group.labels.values()]
        cells.append(counted(group, len(group.runs)))
        for metric in comparison.metrics:
            text = escape(spread(table[metric]))
            shown = f"<b>{text}</b>" if index in best[metric] else text
            cells.append(f"{shown}<small>{escape(span(table[metric]))}</small>")
        rows.append([*cells, *([_doubted(group)] if robust else [])])
    return _table(head, rows, len(comparison.keys))


def _doubted(group: Group) -> str:
    yes, checked = measures.trusted(group)
    return _marked(verdict(group), yes == checked > 0)


def _runs(comparison: Comparison) -> str:
    """Return the table of all runs, those that did not finish included."""
    head = ["run", "group", comparison.over, "status", *comparison.metrics, measures.TRUSTED]
    rows = []
    for group, table in zip(comparison.groups, comparison.table, strict=True):
        for key, run in group.runs.items():
            values = [table[m].values.get(key, float("nan")) for m in comparison.metrics]
            trusted = run.tags.get(measures.TRUSTED, "not checked")
            shown = [*map(known, values), _marked(trusted, trusted == "yes")]
            rows.append([_link(run), escape(group.name), escape(key), run.status, *shown])
        for run in group.unfinished:
            key = value_of(run, comparison.over)
            reason = escape(run.tags.get("error", ""))
            blank = [""] * len(comparison.metrics)
            rows.append([_link(run), escape(group.name), escape(key), run.status, *blank, reason])
    return _table(head, rows, 2)


def _link(run: SelectedRun) -> str:
    return f'<a href="{escape(run.address)}">{escape(run.name)}</a>'


def _marked(text: str, good: bool) -> str:
    return escape(text) if good else f'<span class="doubt">{escape(text)}</span>'


def _items(texts: Sequence[str]) -> str:
    return "".join(f"<li>{escape(text)}</li>" for text in texts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], names: int) -> str:
    """Return a table whose first columns are names; the cells are HTML."""

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = [' class="name"' if i < names else "" for i in range(len(cells))]
        inner = "".join(
            f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, cells, strict=True)
        )
        return f"<tr>{inner}</tr>"

    body = "".join(line("td", row) for row in rows)
    heads = [re.sub("(?<=[/_])", "<wbr>", escape(text)) for text in head]
    return f"<table><thead>{line('th', heads)}</thead><tbody>{body}</tbody></table>"
