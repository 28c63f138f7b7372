"""`brnn sample`: generate text with the net of a run on dataset=text."""

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter

from brnn.cli.arguments import key_values, number, parse
from brnn.cli.help_page import comments, table
from brnn.config.check import check
from brnn.config.environment import check_keras, tracking_keys
from brnn.config.signatures import parameters
from brnn.errors import ConfigError
from brnn.terminal import stderr

EXAMPLE = "brnn sample run=<id> prompt='To be' temperature=0.5 length=300 seed=1"
OTHER_KEYS = {
    "run": "id of the run, as printed at its end (required)",
    "tracking.uri": "the store of the run; by default MLFLOW_TRACKING_URI, or sqlite:///mlflow.db",
}


def meanings() -> dict[str, str]:
    """Return the keys of the command, with what each means."""
    return OTHER_KEYS | comments("sample")


def parser() -> ArgumentParser:
    """Return the parser of the command's arguments."""
    result = ArgumentParser(
        prog="brnn sample",
        usage="brnn sample run=<id> [key=value …]",
        description=str(__doc__).partition(": ")[2],
        epilog=f"keys, by default as in the run:\n{table(meanings())}\n\nexample:\n  {EXAMPLE}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    result.add_argument("words", nargs="*", metavar="key=value", help="a key below")
    return result


def main(arguments: list[str]) -> None:
    """Print a text that the net of a run writes."""
    print(_sample(_given(parse(parser(), arguments).words)))


def _given(words: list[str]) -> dict[str, str]:
    """Return the keys and values of the command line.

    Raises:
        ConfigError: a word is not key=value, a key is unknown, or `run` is missing.
    """
    given = key_values("brnn sample", words, meanings())
    if not given.get("run"):
        raise ConfigError(f"run is missing; try: {EXAMPLE}")
    return given


def _sample(given: dict[str, str]) -> str:
    """Return the text that the net of the run `given["run"]` writes, by the other keys."""
    defaults = tracking_keys()
    check_keras()
    run_id, uri = given["run"], given.get("tracking.uri", defaults["uri"])
    with stderr.quiet():
        from brnn.runs import text
        from brnn.tracking.store import open_store
    store = open_store(uri=uri, experiment=defaults["experiment"])
    options, weights = store.net(run_id)
    if options["dataset"]["name"] != "text":
        raise ConfigError(
            f"run must be a run on dataset=text, got {run_id} on {options['dataset']['name']}"
        )
    valid = parameters("brnn.runs.text", "write")
    options["sample"] |= {
        key: value if valid[key] is str else number(value)
        for key, value in given.items()
        if key not in OTHER_KEYS
    }
    check(options)
    alphabet = json.loads(store.text(run_id, "alphabet.json"))
    return text.write(options, alphabet, weights, **options["sample"])
