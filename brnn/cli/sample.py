"""The net of a run writes: `brnn sample run=<id> temperature=0.5 prompt='To be' length=300 seed=1`.

What is left out is as in the configuration of that run; tracking.uri is that of conf/config.yaml, or given.
"""

import json
import sys

from brnn.config import groups
from brnn.config.check import check
from brnn.config.signatures import parameters
from brnn.errors import ConfigError
from brnn.terminal import lines, stderr


def main(arguments: list[str]) -> None:
    """Prints what the net of a run writes; errors are one line."""
    if {"--help", "-h"} & set(arguments):
        print(__doc__)
        return
    try:
        print(_sample(dict(argument.partition("=")[::2] for argument in arguments)))
    except (ValueError, RuntimeError) as error:  # of a configuration, or of the tracking store
        lines.error(str(error))
        sys.exit(1)


def _sample(keys: dict[str, str]) -> str:
    """The text that the net of the run `keys["run"]` writes, by the other keys."""
    defaults = groups.option("", "config")
    valid = parameters("brnn.runs.text", "write")
    uri, run_id = keys.pop("tracking.uri", defaults["tracking"]["uri"]), keys.pop("run", None)
    if not run_id or not keys.keys() <= valid.keys():
        raise ConfigError(f"usage: brnn sample run=<id>; keys: tracking.uri, {', '.join(valid)}")
    with stderr.quiet():
        from brnn.runs import text
        from brnn.tracking.store import open_store
    store = open_store(uri=uri, experiment=defaults["tracking"]["experiment"])
    options, weights = store.net(run_id)
    if options["dataset"]["name"] != "text":
        raise ConfigError(
            f"run must be one of dataset=text, got {run_id} of {options['dataset']['name']}"
        )
    options["sample"] |= {
        key: text if valid[key] is str else _number(text) for key, text in keys.items()
    }
    check(options)
    return text.write(
        options, json.loads(store.text(run_id, "alphabet.json")), weights, **options["sample"]
    )


def _number(text: str):
    """The number that a text is, else the text, to be refused by its name."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
