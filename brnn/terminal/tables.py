"""Tables: the layers of a net, the results of a run, the jobs of a sweep."""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.table import Column, Table
from rich.text import Text

from brnn.terminal.lines import one_line, open_console, write
from brnn.terminal.numbers import duration, number, size

_STATUS_STYLE = {"finished": "green", "failed": "bold red", "skipped": "yellow"}  # always counted
_PLANNED = {"run", "resume", "attack", "skip"}  # statuses of a dry run
_OTHER_STATUS_STYLE = {
    "killed": "red",
    "pruned": "yellow",
    "running": "cyan",
    "run": "green",
    "resume": "cyan",
    "attack": "cyan",
    "skip": "yellow",
}
_CLOSING = (
    "test/accuracy",
    "test/loss",
    "test/bits_per_character",
    "validation/accuracy",
    "sparsity/all",
    "size/bits_per_weight",
    "trust/robust_accuracy",
)
_EPOCH = "best/epoch"  # a count, which a store returns as a float
_PRODUCTS = ("binary", "ternary", "real")
_IMAGES = "attack/images"  # in the heading of the attacks
_DOUBT = "?"  # before a number that is not trusted
_FLOAT_BITS = 32


def layers_table(
    rows: Iterable[Mapping[str, Any]], metrics: Mapping[str, float] | None = None
) -> None:
    """Print one line per variable, and below the size and the products of the net.

    Args:
        rows: each with `path`, `shape`, `role`, `quantizer` (text; "real" where nothing is
            discretized), `parameters` and `bits_per_weight`.
        metrics: `size/packed_bytes` and `cost/{kind}_products` of the net as a file; without them
            all variables count at their bits.
    """
    rows = list(rows)
    parameters = sum(row["parameters"] for row in rows)
    bits = sum(row["parameters"] * row["bits_per_weight"] for row in rows)
    table = _table(
        Column("variable", "total", overflow="fold"),
        Column("shape", no_wrap=True),
        Column("role"),
        Column("quantizer", overflow="fold"),
        Column("parameters", number(parameters), justify="right", no_wrap=True),
        Column("bits per\nweight", f"{bits / max(parameters, 1):.4g}", justify="right"),
        show_footer=True,
    )
    for row in rows:
        table.add_row(
            row["path"],
            str(tuple(row["shape"])),
            row["role"],
            row["quantizer"],
            number(row["parameters"]),
            f"{row['bits_per_weight']:.4g}",
            style="dim" if row["quantizer"] == "real" else None,
        )
    metrics = metrics or {}
    packed = metrics.get("size/packed_bytes", bits / 8)
    kinds = {kind: metrics.get(f"cost/{kind}_products") for kind in _PRODUCTS}
    products = ", ".join(f"{count:,.0f} {kind}" for kind, count in kinds.items() if count)
    write(
        sys.stdout,
        "",
        table,
        f"{size(packed)} packed, {size(4 * parameters)} as float32",
        *([f"multiply-accumulates of an input: {products}"] if products else []),
    )


def results_table(name: str, metrics: Mapping[str, float], *, seconds: float, hint: str) -> None:
    """Print the results of a run: its closing metrics, its attacks side by side, and a hint.

    Args:
        name: the name of the run.
        metrics: those of its last epoch and of its end; keys that no table has are ignored.
        seconds: how long the run took.
        hint: the last lines.
    """
    title = Text.assemble((name, "bold"), f"  finished in {duration(seconds)}")
    images = f" on {metrics[_IMAGES]:,.0f} test images" if _IMAGES in metrics else ""
    parts: list[str | Text | Table] = ["", title, ""]
    for heading, table in (
        ("", _closing(metrics)),
        (f"attacks{images}", _attacks(metrics)),
        (
            "members of the attack, and the share of all images that each was the first to break",
            _members(metrics),
        ),
        ("exported files", _exports(metrics)),
    ):
        if table.row_count:
            parts += [heading, table, ""] if heading else [table, ""]
    write(sys.stdout, *parts, hint)


def exports_table(metrics: Mapping[str, float]) -> None:
    """Print one line per exported file: its size, and how exactly it computes the net.

    Args:
        metrics: `export/{format}/{measure}` as `brnn.exchange.check` names them.
    """
    write(sys.stdout, "", _exports(metrics))


def sweep_table(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print one line per job, the errors below, and how many jobs finished, failed or were skipped.

    Args:
        rows: each with `name` and `status` (`finished`, `failed`, `skipped`, `killed`, `pruned` or
            `running`; in a dry run `run`, `resume`, `attack` or `skip`), perhaps `error`, `run`
            (an id), `doubted` (metrics that are marked as not trusted), and metrics.
    """
    rows, styles = list(rows), _STATUS_STYLE | _OTHER_STATUS_STYLE
    texts = ("name", "status", "error", "run", "doubted")
    metrics = list(dict.fromkeys(key for row in rows for key in row if key not in texts))
    has_ids = any("run" in row for row in rows)
    headings = ["job", "status", *(re.sub("(?<=[/_])", "\n", key) for key in metrics)]
    cells = [
        [
            Text(row["name"]),
            Text(row["status"], styles[row["status"]]),
            *(Text(_marked(row, key)) for key in metrics),
            *([Text(row.get("run", ""))] if has_ids else []),
        ]
        for row in rows
    ]
    tables = _tables_that_fit([*headings, *(["run"] if has_ids else [])], cells, keys=2)
    errors = [
        Text(f"{row['name']}: {one_line(row['error'])}", "red") for row in rows if row.get("error")
    ]
    counts = Counter(row["status"] for row in rows)
    always = () if counts.keys() & _PLANNED else _STATUS_STYLE
    counted = [status for status in styles if counts[status] or status in always]
    total = ", ".join(f"{counts[status]} {status}" for status in counted)
    legend = [f"{_DOUBT} not trusted"] if any(row.get("doubted") for row in rows) else []
    write(sys.stdout, "", *tables, *legend, *errors, total)


def _marked(row: Mapping[str, Any], key: str) -> str:
    doubt = _DOUBT if key in row.get("doubted", ()) else ""
    return doubt + number(row.get(key))


def statistics_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], keys: int
) -> None:
    """Print a table of text.

    Args:
        title: of the table.
        columns: their headings.
        rows: cells, one for each column.
        keys: how many columns, the first ones, are names; the others are numbers.
    """
    tables = _tables_that_fit(columns, [[Text(cell) for cell in row] for row in rows], keys)
    write(sys.stdout, "", Text(title, "bold"), *tables)


def _tables_that_fit(
    headings: Sequence[str], rows: Sequence[Sequence[Text]], keys: int
) -> list[Table]:
    """Return tables of all rows and columns, as few as the width of stdout allows.

    Args:
        headings: of the columns.
        rows: cells, one for each column.
        keys: how many columns, the first ones, are names that each table has.
    """
    width = open_console(sys.stdout).width
    columns = list(zip(*rows, strict=True)) or [()] * len(headings)
    needed = [
        2 + max(map(cell_len, [*heading.split("\n"), *(cell.plain for cell in column)]))
        for heading, column in zip(headings, columns, strict=True)
    ]
    needed[:keys] = [min(size, width // 2) for size in needed[:keys]]  # longer ones fold
    parts: list[list[int]] = [[]]
    for index in range(keys, len(headings)):
        taken = sum(needed[i] for i in (*range(keys), *parts[-1], index))
        if parts[-1] and taken > width:
            parts.append([])
        parts[-1].append(index)
    return [_part(headings, rows, [*range(keys), *part], keys) for part in parts]


def _part(
    headings: Sequence[str], rows: Sequence[Sequence[Text]], chosen: Sequence[int], keys: int
) -> Table:
    """Return a table of some columns."""
    table = _table(
        *(Column(headings[i], overflow="fold") for i in chosen[:keys]),
        *(Column(headings[i], justify="right", no_wrap=True) for i in chosen[keys:]),
    )
    for row in rows:
        table.add_row(*(row[i] for i in chosen))
    return table


def _closing(metrics: Mapping[str, float]) -> Table:
    """Return the table of accuracy, loss, sparsity, size, trust and the best epoch."""
    table = _table(
        Column(overflow="fold"), Column(justify="right", no_wrap=True), show_header=False
    )
    for key, value in metrics.items():
        if key in _CLOSING or key.startswith("best/"):
            table.add_row(key, number(int(value) if key == _EPOCH else value))
    return table


def attack_rows(metrics: Mapping[str, float]) -> tuple[list[str], list[list[str]]]:
    """Return the attacks of a run, and for each measure `attack…/measure` a row of texts."""
    keys = [
        key.split("/", 1)
        for key in metrics
        if key.startswith("attack") and "/" in key and key != _IMAGES
    ]
    attacks = list(dict.fromkeys(attack for attack, _ in keys))
    rows = [
        [measure, *(number(metrics.get(f"{attack}/{measure}")) for attack in attacks)]
        for measure in dict.fromkeys(measure for _, measure in keys)
    ]
    return attacks, rows


def _attacks(metrics: Mapping[str, float]) -> Table:
    """Return the table of measures, with a column for each attack."""
    attacks, rows = attack_rows(metrics)
    table = _table("", *(Column(attack, justify="right") for attack in attacks))
    for row in rows:
        table.add_row(*row)
    return table


def _members(metrics: Mapping[str, float]) -> Table:
    """Return the table of shares `attack/member/broke_further` of an attack with members."""
    table = _table("member", Column("broke further", justify="right"))
    for key, value in metrics.items():
        if key.endswith("/broke_further"):
            table.add_row(key.split("/")[1], number(value))
    return table


def _exports(metrics: Mapping[str, float]) -> Table:
    """Return the table of measures `export/format/measure`, with a line for each format."""
    names = dict.fromkeys(key.split("/")[1] for key in metrics if re.match("export/.+/", key))
    headings = (
        "size", "bits per\nweight", "of\nfloat32", "other\nclasses", "largest\ndifference",
        "images/s\nby 1", "images/s\nby 128",
    )  # fmt: skip
    table = _table("format", *(Column(heading, justify="right") for heading in headings))
    for name in names:
        bits = metrics[f"export/{name}/bits_per_weight"]
        table.add_row(
            name,
            size(metrics[f"export/{name}/bytes"]),
            f"{bits:.4g}",
            f"1/{_FLOAT_BITS / bits:.3g}",
            f"{metrics[f'export/{name}/other_classes']:,.0f}",
            f"{metrics[f'export/{name}/logit_difference']:.3g}",
            f"{metrics[f'export/{name}/images_per_second']:,.0f}",
            f"{metrics[f'export/{name}/images_per_second_in_batches']:,.0f}",
        )
    return table


def _table(*columns: str | Column, show_header: bool = True, show_footer: bool = False) -> Table:
    return Table(
        *columns,
        box=SIMPLE,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        show_header=show_header,
        show_footer=show_footer,
    )
