"""The metrics of a run, by the `Metrics:` sections of the functions that compute them."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import brnn
from brnn.errors import BrnnError

PACKAGE = Path(brnn.__file__).parent
METRIC = re.compile(r"^(?P<name>\S+) \((?P<unit>[^)]*)\): (?P<meaning>.*)$")
SPLITS = ("train", "validation", "test")


def documented_metrics() -> Iterator[tuple[str, str, str, str]]:
    """Yield name, unit, meaning and function of each documented metric.

    Words in braces stand for a part of a name, as in `sparsity/{path}`.

    Raises:
        BrnnError: a line of a section `Metrics:` has another form.
    """
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text()
        if "Metrics:" not in source:
            continue
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                for line in section(ast.get_docstring(node) or "", "Metrics:"):
                    match = METRIC.match(line)
                    if match is None:
                        raise BrnnError(f"{module}.{node.name}: cannot read the metric {line!r}")
                    yield match["name"], match["unit"], match["meaning"], f"{module}.{node.name}"


@cache
def metric_names() -> tuple[str, ...]:
    """Return the documented names of each split; other words in braces remain."""
    names = (n.replace("{split}", split) for n, *_ in documented_metrics() for split in SPLITS)
    return tuple(dict.fromkeys(names))


def is_metric(name: str) -> bool:
    """Return whether a run may log a metric of this name."""
    return any(_pattern(documented).fullmatch(name) for documented in metric_names())


def section(docstring: str, title: str) -> list[str]:
    """Return the items of a section of a docstring, continuation lines joined."""
    items: list[str] = []
    inside = False
    for line in docstring.splitlines():
        if line.strip() == title:
            inside = True
        elif inside and line.strip() and not line.startswith("    "):
            break
        elif inside and line.strip():
            if line.startswith("        ") and items:
                items[-1] += " " + line.strip()
            else:
                items.append(line.strip())
    return items


@cache
def _pattern(documented: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{.*?\\\}", ".+", re.escape(documented)))
