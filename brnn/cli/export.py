"""`brnn export`: write the net of a run as a file that another program runs."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from brnn.cli import failures
from brnn.cli.arguments import key_values, number, parse
from brnn.cli.help_page import comments, table
from brnn.cli.run_nets import load_net
from brnn.config import groups
from brnn.config.check_formats import check_formats
from brnn.config.check_keys import check_keys
from brnn.config.environment import check_keras, tracking_keys
from brnn.config.ranges import Share
from brnn.errors import ConfigError
from brnn.terminal import lines, tables

EXAMPLE = "brnn export run=<id> format=levels path=net.npz"
VALID = {"run": str, "format": str, "path": str | None, "tolerance": Share, "tracking.uri": str}
BAD_INPUT = 2  # exit code


def meanings() -> dict[str, str]:
    """Return the keys of the command, with what each means."""
    formats = ", ".join(groups.names("format"))
    return {
        "run": "id of the run, as printed at its end (required)",
        "format": f"one of {formats} (required)",
        "path": "a new file; by default the id of the run in the current folder",
        "tolerance": comments("export")["tolerance"],
        "tracking.uri": "the store of the run; by default MLFLOW_TRACKING_URI, or"
        " sqlite:///mlflow.db",
    }


def parser() -> ArgumentParser:
    """Return the parser of the command's arguments."""
    result = ArgumentParser(
        prog="brnn export",
        usage="brnn export run=<id> format=<format> [key=value …]",
        description=str(__doc__).partition(": ")[2],
        epilog=f"keys:\n{table(meanings())}\n\nexample:\n  {EXAMPLE}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    result.add_argument("words", nargs="*", metavar="key=value", help="a key below")
    return result


def main(arguments: list[str]) -> None:
    """Write a file, and print its size and how exactly it computes the net."""
    with failures.in_one_line("stopped", BAD_INPUT):
        _export(_keys(parse(parser(), arguments).words))


def _keys(words: list[str]) -> dict[str, Any]:
    """Return all keys of the command.

    Raises:
        ConfigError: a word is not key=value, a key is unknown or missing, a value is not valid, or
            the file exists.
    """
    given: dict[str, Any] = {**key_values("brnn export", words, VALID)}
    defaults = {
        "path": None,
        "tolerance": groups.option("", "config")["export"]["tolerance"],
        "tracking.uri": tracking_keys()["uri"],
    }
    if "tolerance" in given:
        given["tolerance"] = number(given["tolerance"])
    if missing := [key for key in ("run", "format") if not given.get(key)]:
        raise ConfigError(f"{missing[0]} is missing; try: {EXAMPLE}")
    keys = defaults | given
    check_keys("", keys, VALID)
    check_formats([keys["format"]])
    if keys["path"] is not None:
        _check_path(Path(keys["path"]))
    return keys


def _check_path(path: Path) -> None:
    if path.exists():
        raise ConfigError(f"path={path} exists; name a new file")
    if not path.parent.is_dir():
        raise ConfigError(f"path={path}: there is no folder {path.parent}")


def _export(keys: dict[str, Any]) -> None:
    check_keras()
    options, weights, data = load_net(keys["run"], keys["tracking.uri"])
    from brnn.runs.export import export, write

    formats, tolerance = [keys["format"]], keys["tolerance"]
    (exported,) = export(options, data, weights, formats=formats, tolerance=tolerance)
    paths = _paths(keys, *exported.files)
    write(dict(zip(paths, exported.files.values(), strict=True)))
    tables.exports_table(exported.metrics)
    if undecided := exported.metrics["export/undecided"]:
        lines.note(
            f"{undecided:.2%} of the test data have a sum so near its threshold that the rounding"
            " of float32 may decide its sign; only there may classes differ from the net's"
        )
    for path in reversed(paths):
        lines.note(f"file: {path.resolve()}")


def _paths(keys: dict[str, Any], suffix: str, *others: str) -> list[Path]:
    """Return the paths of the files of a format, new ones.

    Raises:
        ConfigError: one exists, or two are the same.
    """
    first = Path(keys["path"] or f"{keys['run']}{suffix}")
    paths = [first, *map(first.with_suffix, others)]
    for path in paths:
        _check_path(path)
    if first in paths[1:]:
        raise ConfigError(f"path={first} is the name of a file beside it; end it with {suffix}")
    return paths
