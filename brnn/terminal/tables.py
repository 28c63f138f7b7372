"""Tables: the layers of a net, the results of a run, the jobs of a sweep."""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rich.box import SIMPLE
from rich.table import Column, Table
from rich.text import Text

from brnn.terminal.lines import one_line, write
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


def layers_table(rows: Iterable[Mapping[str, Any]]) -> None:
    """One line per variable, and a last one with the size of them all.

    A row has `path`, `shape`, `role`, `quantizer` (text; "real" where nothing is discretized), `parameters` and
    `bits_per_weight`.
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
    write(sys.stdout, "", table, f"{size(bits / 8)} packed, {size(4 * parameters)} as float32")


def results_table(name: str, metrics: Mapping[str, float], *, seconds: float, hint: str) -> None:
    """What a run came to: its closing metrics, its attacks side by side, and where to look for more.

    Closing are accuracy, loss, sparsity, size, what all checks of an attack leave, and whatever begins with `best/`; an
    attack is what stands before the slash where that begins with `attack`; of an attack with members, each is there
    with the share that it broke. Metrics that are not there are left out.
    """
    closing = _table(
        Column(overflow="fold"), Column(justify="right", no_wrap=True), show_header=False
    )
    for key, value in metrics.items():
        if key in _CLOSING or key.startswith("best/"):
            closing.add_row(key, number(value))
    keys = [key.split("/", 1) for key in metrics if key.startswith("attack") and "/" in key]
    attacks = dict.fromkeys(attack for attack, _ in keys)
    attacked = _table("", *(Column(attack, justify="right") for attack in attacks))
    for measure in dict.fromkeys(measure for _, measure in keys):
        attacked.add_row(
            measure, *(number(metrics.get(f"{attack}/{measure}")) for attack in attacks)
        )
    broken = _table("member", Column("broke", justify="right"))
    for key, value in metrics.items():
        if key.endswith("/broke") and key.count("/") == 2:
            broken.add_row(key.split("/")[1], number(value))
    title = Text.assemble((name, "bold"), f"  finished in {duration(seconds)}")
    tables = [
        part for table in (closing, attacked, broken) if table.row_count for part in (table, "")
    ]
    write(sys.stdout, "", title, "", *tables, hint)


def sweep_table(rows: Iterable[Mapping[str, Any]]) -> None:
    """One line per job, what went wrong below, and the number of jobs that finished, failed or were skipped.

    A row has `name` and `status` (`finished`, `failed`, `skipped`, `killed`, `pruned` or `running`; in a dry run `run`,
    `resume`, `attack` or `skip`), may have `objective` and `error`, and whatever else it has is a metric.
    """
    rows, styles = list(rows), _STATUS_STYLE | _OTHER_STATUS_STYLE
    numbers = list(
        dict.fromkeys(key for row in rows for key in row if key not in ("name", "status", "error"))
    )
    table = _table(
        Column("job", overflow="fold"),
        Column("status", no_wrap=True),
        *(Column(re.sub("(?<=[/_])", "\n", key), justify="right", no_wrap=True) for key in numbers),
    )
    for row in rows:
        status = Text(row["status"], styles[row["status"]])
        table.add_row(row["name"], status, *(number(row.get(key)) for key in numbers))
    errors = [
        Text(f"{row['name']}: {one_line(row['error'])}", "red") for row in rows if row.get("error")
    ]
    counts = Counter(row["status"] for row in rows)
    always = () if counts.keys() & _PLANNED else _STATUS_STYLE
    counted = [status for status in styles if counts[status] or status in always]
    write(
        sys.stdout,
        "",
        table,
        *errors,
        ", ".join(f"{counts[status]} {status}" for status in counted),
    )


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
