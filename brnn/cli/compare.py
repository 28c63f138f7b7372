"""`brnn compare`: means, intervals and tests over the seeds of a sweep."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brnn.cli import failures
from brnn.cli.arguments import key_values, parse
from brnn.cli.help_page import comments, table
from brnn.config import groups
from brnn.config.check_keys import check_keys
from brnn.config.environment import tracking_keys
from brnn.config.signatures import parameters
from brnn.errors import ComparisonError
from brnn.terminal import lines, stderr
from brnn.writing import whole

if TYPE_CHECKING:
    from brnn.compare.comparison import Comparison

EXAMPLE = "brnn compare metrics=test/accuracy,trust/robust_accuracy baseline=estimator=ste"
STORE = {"tracking.uri": "the store; by default MLFLOW_TRACKING_URI, or sqlite:///mlflow.db"}
SELECTION = ("brnn.compare.selection", "select")
COMPARISON = ("brnn.compare.comparison", "compare")
TESTED = ("baseline", "test")  # keys that ask for tests between groups
BAD_INPUT = 2  # exit code


def meanings() -> dict[str, str]:
    """Return the keys of the command, with what each means."""
    return comments(file="compare") | STORE


def parser() -> ArgumentParser:
    """Return the parser of the command's arguments."""
    result = ArgumentParser(
        prog="brnn compare",
        usage="brnn compare [key=value …] [--markdown | --csv | --latex | --html FILE |"
        " --figures FOLDER]",
        description=str(__doc__).partition(": ")[2],
        epilog=f"keys:\n{table(meanings())}\n\nexample:\n  {EXAMPLE}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    result.add_argument("words", nargs="*", metavar="key=value", help="a key below")
    form = result.add_mutually_exclusive_group()
    for name, what in (
        ("markdown", "a Markdown table"),
        ("csv", "one row per group and metric"),
        ("latex", "a LaTeX document of one table"),
    ):
        form.add_argument(f"--{name}", action="store_true", help=f"print {what}")
    form.add_argument(
        "--figures",
        metavar="FOLDER",
        help="write each metric by group and the learning curves as PNG and SVG",
    )
    form.add_argument("--html", metavar="FILE", help="write a page with figures, for any browser")
    return result


def main(arguments: list[str]) -> None:
    """Print the comparison of the runs that a command line selects."""
    with failures.in_one_line("stopped", BAD_INPUT):
        given = parse(parser(), arguments)
        keys = _keys(given.words)
        with stderr.quiet():
            from brnn.compare import formats, page, printed, report
        comparison = _comparison(keys)
        _check_replicated(comparison, given.words)
        if given.markdown:
            print(formats.markdown(comparison), end="")
        elif given.csv:
            print(formats.csv_text(comparison), end="")
        elif given.latex:
            print(formats.latex(comparison), end="")
        elif given.html is not None:
            with _writing("html", given.html) as path, whole(path) as html:
                html.write(page.page(comparison).encode())
            lines.note(f"page: {path.resolve()}")
        elif given.figures is not None:
            with _writing("figures", given.figures) as path:
                files = printed.write_figures(comparison, path)
            for file in files:
                lines.note(str(file))
        else:
            report.show(comparison)


@contextmanager
def _writing(flag: str, text: str) -> Iterator[Path]:
    """Yield the path that a flag states; where it cannot be written, say so in one line."""
    try:
        yield Path(text).absolute()
    except OSError as error:
        raise ComparisonError(f"--{flag} {text!r}: {error.strerror or error}") from error


def _comparison(keys: dict[str, Any]) -> "Comparison":
    from brnn.compare.comparison import compare
    from brnn.compare.selection import select

    selection = {key: keys[key] for key in parameters(*SELECTION)}
    others = {key: keys[key] for key in parameters(*COMPARISON)}
    return compare(select(keys["tracking.uri"], **selection), **others)


def _check_replicated(comparison: "Comparison", words: list[str]) -> None:
    """Check that a comparison can test what the command states.

    Raises:
        ComparisonError: the command states a test or a baseline, and each group has one run.
    """
    from brnn.compare.notes import single

    tested = [word for word in words if word.partition("=")[0] in TESTED]
    if tested and not comparison.is_replicated:
        raise ComparisonError(f"{tested[0]}: {single(comparison.over)}")


def _keys(words: list[str]) -> dict[str, Any]:
    """Return all keys of the command, by default those of `conf/compare.yaml`.

    Raises:
        ConfigError: a word is not key=value, a key is unknown, or a value is not valid.
    """
    given = key_values("brnn compare", words, meanings())
    uri = given.pop("tracking.uri", tracking_keys()["uri"])
    valid = parameters(*SELECTION) | parameters(*COMPARISON)
    read = {key: _value(text, valid[key]) for key, text in given.items()}
    keys = groups.option("", "compare") | read
    check_keys("", keys, valid)
    return keys | {"tracking.uri": uri}


def _value(text: str, annotation: Any) -> str | list[str] | None:
    """Return the value that a text states: a list where the key is one."""
    if text in ("", "null"):
        return None
    is_list = annotation == list[str] | None
    return [part.strip() for part in text.strip("[]").split(",")] if is_list else text
