"""The net of a run writes: `python -m brnn.sample run=<id> temperature=0.5 prompt='To be' length=300 seed=1`.

What is left out is as in the configuration of that run; tracking.uri is that of conf/config.yaml, or given.
"""

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from brnn import config, terminal


def main(arguments: list[str]) -> None:
    """Prints what the net of a run writes; errors are one line."""
    if {"--help", "-h"} & set(arguments):
        print(__doc__)
        return
    try:
        print(_sample(dict(argument.partition("=")[::2] for argument in arguments)))
    except (ValueError, RuntimeError) as error:  # of a configuration, or of the tracking store
        terminal.error(str(error))
        sys.exit(1)


def _sample(keys: dict[str, str]) -> str:
    """The text that the net of the run `keys["run"]` writes, by the other keys."""
    defaults = config.option("", "config")
    valid = config.parameters("brnn.writing", "written")
    uri, run_id = keys.pop("tracking.uri", defaults["tracking"]["uri"]), keys.pop("run", None)
    if not run_id or not keys.keys() <= valid.keys():
        raise config.ConfigError(f"usage: python -m brnn.sample run=<id>; keys: tracking.uri, {', '.join(valid)}")
    with terminal.quiet():
        from brnn import tracking, writing
    store = tracking.open_store(uri=uri, experiment=defaults["tracking"]["experiment"])
    options, weights = store.net(run_id)
    if options["dataset"]["name"] != "text":
        raise config.ConfigError(f"run must be one of dataset=text, got {run_id} of {options['dataset']['name']}")
    options["sample"] |= {key: text if valid[key] is str else _number(text) for key, text in keys.items()}
    config.check(options)
    return writing.written(options, json.loads(store.text(run_id, "alphabet.json")), weights, **options["sample"])


def _number(text: str):
    """The number that a text is, else the text, to be refused by its name."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


if __name__ == "__main__":
    main(sys.argv[1:])
