"""`brnn ui`: the MLflow UI of a store, opened at its last sweep."""

import webbrowser
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING

from brnn.cli import failures
from brnn.cli.arguments import key_values, parse
from brnn.cli.help_page import table
from brnn.config.environment import tracking_keys
from brnn.errors import ComparisonError, ConfigError
from brnn.terminal import lines, stderr

if TYPE_CHECKING:
    from mlflow.entities import Run

KEYS = {
    "tracking.uri": "the store; by default MLFLOW_TRACKING_URI, or sqlite:///mlflow.db",
    "sweep": "id of a sweep's run; by default the last sweep",
    "run": "id of a run, whose own page is opened",
    "port": "of the server on 127.0.0.1; by default 5000",
}
EXAMPLE = "brnn ui port=5001"


def meanings() -> dict[str, str]:
    """Return the keys of the command, with what each means."""
    return KEYS


def parser() -> ArgumentParser:
    """Return the parser of the command's arguments."""
    result = ArgumentParser(
        prog="brnn ui",
        usage="brnn ui [key=value …] [--no-browser]",
        description=str(__doc__).partition(": ")[2],
        epilog=f"keys:\n{table(meanings())}\n\nexample:\n  {EXAMPLE}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    result.add_argument("words", nargs="*", metavar="key=value", help="a key below")
    result.add_argument("--no-browser", action="store_true", help="only print the address")
    return result


def main(arguments: list[str]) -> None:
    """Serve the store that a command line names, and open its last sweep, until Ctrl-C."""
    with failures.in_one_line("stopped"):
        given = parse(parser(), arguments)
        keys = key_values("brnn ui", given.words, meanings())
        uri = keys.get("tracking.uri", tracking_keys()["uri"])
        port = _port(keys.get("port", "5000"))
        with stderr.quiet():
            from brnn.tracking.reading import ui_base
            from brnn.tracking.server import serving
        store_uri, page = _page(uri, keys.get("sweep"), keys.get("run"))
        if store_uri.startswith(("http://", "https://")):
            _open(ui_base(store_uri) + page, not given.no_browser)
            return
        with serving(store_uri, port) as server:
            _open(f"http://127.0.0.1:{port}{page}", not given.no_browser)
            server.wait()


def _page(uri: str, sweep: str | None, run: str | None) -> tuple[str, str]:
    """Return the complete URI of a store, and a page within the UI.

    It is the page of a run, or the view of a sweep, saved anew; without a sweep that has finished a
    job, the page of the newest run.
    """
    from brnn.compare.selection import parents
    from brnn.sweeps.conclusion import save_view_of
    from brnn.tracking.reading import newest_run, open_existing

    stores = open_existing(uri, None)
    if run:
        return stores[0].uri, _page_of(stores[0].get(run))
    try:
        ((store, parent),) = parents(uri, [sweep] if sweep else None, None)
        return store.uri, save_view_of(store, parent)
    except ComparisonError:
        newest = newest_run(stores)
        if sweep or newest is None:
            raise
        return stores[0].uri, _page_of(newest)


def _page_of(run: "Run") -> str:
    from brnn.tracking.reading import run_page

    return run_page(run.info.experiment_id, run.info.run_id)


def _open(address: str, browser: bool) -> None:
    lines.note(address)
    if browser:
        webbrowser.open(address)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise ConfigError(f"port must be a whole number from 1 to 65535, got {text!r}")
    return int(text)
